"""The implementations of ``ports.DocumentStore`` that the contract suites run over."""

from __future__ import annotations

from pathlib import Path

from perkie_cli.ports import Clock, DocumentStore
from perkie_cli.stores.documents_memory import MemoryDocuments
from perkie_cli.stores.documents_sqlite import SqliteDocuments


class Opener:
    """Opens stores over one and the same place, as several processes would."""

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
