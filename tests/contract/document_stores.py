"""The implementations of ``ports.DocumentStore`` that the contract suites run over."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta
from pathlib import Path

from perkie_cli.ports import Clock, DocumentStore
from perkie_cli.stores.google.documents import FirestoreDocuments
from perkie_cli.stores.google.firestore_connection import FirestoreConnection
from perkie_cli.stores.memory import MemoryDocuments
from perkie_cli.stores.sqlite.documents import SqliteDocuments
from perkie_cli.system.clock import SystemClock


class Opener:
    """Opens stores over one and the same place, as several processes would: at most ``most`` that contend."""

    most = 3

    def __init__(self) -> None:
        self._opened: list[DocumentStore] = []

    def open(self, clock: Clock) -> DocumentStore:
        store = self.make(clock)
        self._opened.append(store)
        return store

    def make(self, clock: Clock) -> DocumentStore:
        raise AssertionError("made by subclasses")

    async def aclose(self) -> None:
        for store in self._opened:
            await store.aclose()


class MemoryOpener(Opener):
    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryDocuments()

    def make(self, clock: Clock) -> DocumentStore:
        return self.store


class SqliteOpener(Opener):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def make(self, clock: Clock) -> DocumentStore:
        return SqliteDocuments(self.path, clock)


class FirestoreOpener(Opener):
    """Each opener has collections of its own in a database that other tests use too.

    Google's emulator stalls for half a minute when a document is fought over: one store, in which updates take turns.
    """

    def __init__(self, address: str, *, googles: bool = False) -> None:
        super().__init__()
        self.most = 1 if googles else self.most
        self.environ = {"FIRESTORE_EMULATOR_HOST": address}
        self.prefix = f"t{uuid.uuid4().hex}_"
        self.connections: list[FirestoreConnection] = []

    def make(self, clock: Clock) -> DocumentStore:
        connection = FirestoreConnection("perkie-tests", "(default)", timedelta(seconds=100), self.environ)
        self.connections.append(connection)
        # The clock of the test stands still; waits between attempts are real.
        return FirestoreDocuments(connection, self.prefix, SystemClock(), random.Random(1))

    async def aclose(self) -> None:
        await super().aclose()
        for connection in self.connections:
            await connection.aclose()
