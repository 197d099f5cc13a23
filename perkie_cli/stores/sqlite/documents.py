"""Documents in one SQLite file, shared by several processes."""

from __future__ import annotations

import asyncio
import functools
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from perkie_cli.ports import Change, Clock, Document, DocumentRef
from perkie_cli.stores.sqlite.file import BUSY_TIMEOUT, REPAIR, open_shared, reading, transaction
from perkie_cli.stores.sqlite.trouble import StoreFile, store_error

T = TypeVar("T")
Outcome = tuple[Any, Exception | None]

BATCH = 32  # calls per thread switch: the first must not wait long for the last
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


class SqliteDocuments:
    """One connection on one thread: SQLite allows one writer anyway, and calls stay in order.

    ``look_anyway``: reads also work on a full or read-only disk. Not for a server: there a read that works says that
    the store is back.
    """

    def __init__(
        self, path: Path, clock: Clock, *, busy_timeout: float = BUSY_TIMEOUT, look_anyway: bool = False
    ) -> None:
        self._path = path
        self._look_anyway = look_anyway
        self._clock = clock
        self._busy_timeout = busy_timeout
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="perkie-sqlite")
        self._prune_at = 0.0
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._working = False

    @property
    def name(self) -> str:
        """``sqlite:PATH``."""
        return f"sqlite:{self._path}"

    async def update(self, refs: Sequence[DocumentRef], change: Change[T]) -> T:
        """Runs in one transaction; an exception in ``change`` rolls it back."""
        return await self._run(self._update, tuple(refs), change)

    async def read(self, refs: Sequence[DocumentRef]) -> Sequence[Document | None]:
        """The committed documents."""
        return await self._run(self._read, tuple(refs))

    async def scan(self, collection: str, prefix: str = "") -> AsyncIterator[tuple[str, Document]]:
        """Streams documents page by page, so that writers are never blocked."""
        last = ""
        while rows := await self._run(self._page, collection, prefix, last):
            for id_, document in rows:
                yield id_, document
            last = rows[-1][0]

    async def ping(self) -> None:
        """Takes and releases the write lock: this fails on a read-only disk, and on a full one."""
        await self._run(self._ping)

    async def aclose(self) -> None:
        """Closes the file once running calls are done."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def _run(self, function: Callable[..., T], *args: object) -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._waiting.append((functools.partial(self._guarded, function, *args), answer))
        if not self._working:
            self._work_off(loop)
        return await answer

    def _work_off(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sends waiting calls to the thread in batches: a thread switch costs more than a transaction."""
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        self._working = True

        def ended(outcomes: asyncio.Future[list[Outcome]]) -> None:
            for (_, answer), (result, error) in zip(batch, outcomes.result(), strict=True):
                if answer.done():  # the waiter was cancelled
                    continue
                if error is None:
                    answer.set_result(result)
                else:
                    answer.set_exception(error)
            self._working = False
            if self._waiting:
                self._work_off(loop)

        loop.run_in_executor(self._thread, _outcomes, [call for call, _ in batch]).add_done_callback(ended)

    def _guarded(self, function: Callable[..., T], *args: object) -> T:
        try:
            return function(*args)
        except (sqlite3.DatabaseError, OSError) as error:
            self._close()  # reconnect next time: the file may have been replaced
            raise store_error(StoreFile(self._path, f"the store {self._path}", REPAIR), error) from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_shared(self._path, SCHEMA, busy_timeout=self._busy_timeout)
        return self._connection

    def _reading(self, query: Callable[[sqlite3.Connection], T]) -> T:
        if not self._look_anyway:
            return query(self._open())
        return reading(self._path, SCHEMA, self._open, query)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _update(self, refs: tuple[DocumentRef, ...], change: Change[T]) -> T:
        connection = self._open()
        with transaction(connection):
            self._prune(connection)
            before = [_get(connection, ref) for ref in refs]
            after, result = change(before)
            for ref, old, new in zip(refs, before, after, strict=True):
                if new is None and old is not None:
                    connection.execute(_DELETE, (ref.collection, ref.id))
                elif new is not None and new != old:
                    connection.execute(_PUT, (ref.collection, ref.id, new["expires"], _to_json(new)))
        return result

    def _prune(self, connection: sqlite3.Connection) -> None:
        now = self._clock.now().timestamp()
        if now >= self._prune_at:
            connection.execute("DELETE FROM documents WHERE expires < ?", (now,))
            self._prune_at = now + PRUNE_EVERY

    def _read(self, refs: tuple[DocumentRef, ...]) -> Sequence[Document | None]:
        return self._reading(lambda connection: [_get(connection, ref) for ref in refs])

    def _page(self, collection: str, prefix: str, last: str) -> list[tuple[str, Document]]:
        values = (collection, last, len(prefix), prefix, PAGE)
        rows = self._reading(lambda connection: connection.execute(_SCAN, values).fetchall())
        return [(id_, json.loads(body)) for id_, body in rows]

    def _ping(self) -> None:
        with transaction(self._open()):
            pass


def _outcomes(calls: Sequence[Callable[[], Any]]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for call in calls:
        try:
            outcomes.append((call(), None))
        except Exception as error:  # noqa: BLE001 -- handed to whoever waits
            outcomes.append((None, error))
    return outcomes


def _get(connection: sqlite3.Connection, ref: DocumentRef) -> Document | None:
    row = connection.execute(_GET, (ref.collection, ref.id)).fetchone()
    return None if row is None else json.loads(row[0])
