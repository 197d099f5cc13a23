"""Every implementation of ``ports.SpendLedger``, for the one suite that they share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from perkie_cli.ports import Clock, SpendLedger
from perkie_cli.stores.ledger_sqlite import SqliteLedger
from perkie_cli.workers import thread_workers

Opener = Callable[[Path, Clock], AbstractAsyncContextManager[SpendLedger]]


@asynccontextmanager
async def sqlite(folder: Path, clock: Clock) -> AsyncIterator[SpendLedger]:
    io = thread_workers(4)
    ledger = SqliteLedger(folder / "state" / "spend.sqlite", clock, io)
    try:
        yield ledger
    finally:
        await ledger.aclose()
        io.close()


LEDGERS: dict[str, Opener] = {"sqlite": sqlite}
