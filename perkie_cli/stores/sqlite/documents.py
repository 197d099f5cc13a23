"""Documents in one SQLite file, shared by several processes."""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from perkie_cli.ports import Change, Clock, Document, DocumentRef
from perkie_cli.stores.sqlite.file import REPAIR, open_shared, reading, transaction
from perkie_cli.stores.sqlite.thread import PATIENCE, FileThread
from perkie_cli.stores.sqlite.trouble import StoreFile

T = TypeVar("T")

PAGE = 500  # documents read at a time by a scan
PRUNE_EVERY = 3600.0  # seconds between deletions of expired documents

SCHEMA = """
CREATE TABLE documents (
    collection TEXT NOT NULL, id TEXT NOT NULL, expires REAL NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;
CREATE INDEX documents_expires ON documents (expires);
"""
_to_json = json.JSONEncoder(
    separators=(",", ":")
).encode  # created once: json.dumps would create an encoder per document
_GET = "SELECT body FROM documents WHERE collection = ? AND id = ?"
_PUT = "INSERT OR REPLACE INTO documents (collection, id, expires, body) VALUES (?, ?, ?, ?)"
_DELETE = "DELETE FROM documents WHERE collection = ? AND id = ?"
_SCAN = "SELECT id, body FROM documents WHERE collection = ? AND id > ? AND substr(id, 1, ?) = ? ORDER BY id LIMIT ?"


class _Documents:
    """The documents that the changes of one transaction have read: each is read and written once for all of them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._stored: dict[DocumentRef, Document | None] = {}
        self._current: dict[DocumentRef, Document | None] = {}

    def update(self, refs: tuple[DocumentRef, ...], change: Change[T]) -> T:
        """Nothing is changed if ``change`` raises."""
        after, result = change([self._get(ref) for ref in refs])
        self._current.update(zip(refs, after, strict=True))
        return result

    def _get(self, ref: DocumentRef) -> Document | None:
        if ref not in self._current:
            self._stored[ref] = self._current[ref] = _get(self.connection, ref)
        return self._current[ref]

    def write(self) -> None:
        """Writes the documents that differ from the stored ones."""
        for ref, new in self._current.items():
            old = self._stored[ref]
            if new is None and old is not None:
                self.connection.execute(_DELETE, (ref.collection, ref.id))
            elif new is not None and new is not old and new != old:
                self.connection.execute(_PUT, (ref.collection, ref.id, new["expires"], _to_json(new)))


class SqliteDocuments:
    """One connection on one thread; changes that wait share a transaction.

    ``look_anyway``: reads also work on a full or read-only disk. Not for a server: there a read that works says that
    the store is back.
    """

    def __init__(self, path: Path, clock: Clock, *, busy_timeout: float = PATIENCE, look_anyway: bool = False) -> None:
        self._path = path
        self._look_anyway = look_anyway
        self._clock = clock
        self._prune_at = 0.0
        self._thread = FileThread(
            StoreFile(path, f"the store {path}", REPAIR),
            functools.partial(open_shared, path, SCHEMA, busy_timeout=busy_timeout),
            clock,
            begin=_Documents,
            finish=self._finish,
        )

    @property
    def name(self) -> str:
        """``sqlite:PATH``."""
        return f"sqlite:{self._path}"

    async def update(self, refs: Sequence[DocumentRef], change: Change[T]) -> T:
        """Runs in one transaction, which other changes may share; an exception in ``change`` leaves all as it was."""
        return await self._thread.write(lambda documents: documents.update(tuple(refs), change))

    async def read(self, refs: Sequence[DocumentRef]) -> Sequence[Document | None]:
        """The committed documents."""
        return await self._thread.read(functools.partial(self._read, tuple(refs)))

    async def scan(self, collection: str, prefix: str = "") -> AsyncIterator[tuple[str, Document]]:
        """Streams documents page by page, so that writers are never blocked."""
        last = ""
        while rows := await self._thread.read(functools.partial(self._page, collection, prefix, last)):
            for id_, document in rows:
                yield id_, document
            last = rows[-1][0]

    async def ping(self) -> None:
        """Takes and releases the write lock: this fails on a read-only disk, and on a full one."""
        await self._thread.read(self._ping)

    async def aclose(self) -> None:
        """Closes the file once running calls are done."""
        await self._thread.aclose()

    # ---------------------------------------------------------------- in the thread

    def _finish(self, documents: _Documents) -> None:
        documents.write()
        now = self._clock.now().timestamp()
        if now >= self._prune_at:
            documents.connection.execute("DELETE FROM documents WHERE expires < ?", (now,))
            self._prune_at = now + PRUNE_EVERY

    def _reading(self, query: Callable[[sqlite3.Connection], T]) -> T:
        if not self._look_anyway:
            return query(self._thread.connection())
        return reading(self._path, SCHEMA, self._thread.connection, query)

    def _read(self, refs: tuple[DocumentRef, ...]) -> Sequence[Document | None]:
        return self._reading(lambda connection: [_get(connection, ref) for ref in refs])

    def _page(self, collection: str, prefix: str, last: str) -> list[tuple[str, Document]]:
        values = (collection, last, len(prefix), prefix, PAGE)
        rows = self._reading(lambda connection: connection.execute(_SCAN, values).fetchall())
        return [(id_, json.loads(body)) for id_, body in rows]

    def _ping(self) -> None:
        with transaction(self._thread.connection()):
            pass


def _get(connection: sqlite3.Connection, ref: DocumentRef) -> Document | None:
    row = connection.execute(_GET, (ref.collection, ref.id)).fetchone()
    return None if row is None else json.loads(row[0])
