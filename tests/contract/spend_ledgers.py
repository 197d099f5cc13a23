"""Every implementation of ``ports.SpendLedger``, for the one suite that they share."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from perkie_cli.ports import Clock, SpendLedger
from perkie_cli.stores.google.documents import FirestoreDocuments
from perkie_cli.stores.google.firestore_connection import FirestoreConnection
from perkie_cli.stores.ledger_documents import DocumentLedger
from perkie_cli.stores.sqlite.ledger import SqliteLedger
from perkie_cli.system.clock import SystemClock

Opener = Callable[[Path, Clock], AbstractAsyncContextManager[SpendLedger]]


@asynccontextmanager
async def sqlite(folder: Path, clock: Clock) -> AsyncIterator[SpendLedger]:
    ledger = SqliteLedger(folder / "state" / "spend.sqlite", clock)
    try:
        yield ledger
    finally:
        await ledger.aclose()


@asynccontextmanager
async def firestore(address: str, folder: Path, clock: Clock) -> AsyncIterator[SpendLedger]:
    environ = {"FIRESTORE_EMULATOR_HOST": address}
    connection = FirestoreConnection("perkie", "(default)", timedelta(seconds=100), environ)
    prefix = hashlib.sha256(str(folder).encode()).hexdigest()
    documents = FirestoreDocuments(connection, prefix, SystemClock(), random.Random(1))
    yield DocumentLedger(documents, clock, random.Random(2))
    await connection.aclose()


LEDGERS: dict[str, Opener] = {"sqlite": sqlite}
