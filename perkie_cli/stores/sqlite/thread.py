"""One thread for one SQLite file: calls stay in order, writes that wait share a transaction, all fail with a lock.

SQLite has one writer at a time anyway, and a thread switch costs more than a transaction.
"""

from __future__ import annotations

import asyncio
import copy
import errno
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, TypeVar

from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.domain.frozen import frozen
from perkie_cli.ports import Clock
from perkie_cli.stores.sqlite.file import transaction
from perkie_cli.stores.sqlite.trouble import Cause, StoreFile, cause_of, store_error

T = TypeVar("T")
Unit = TypeVar("Unit")
Outcome = tuple[Any, Exception | None]

BATCH = 256  # calls a thread switch: the first must not wait long for the last
PATIENCE = 5.0  # seconds that a write waits for other processes; a transaction takes far less than a millisecond
PAUSE = 2.0  # seconds after which a file that stayed locked is tried again; meanwhile nobody waits for it


@frozen
class _Call(Generic[Unit]):
    function: Callable[[Unit], Any] | Callable[[], Any]
    writes: bool
    answer: asyncio.Future[Any]


class FileThread(Generic[Unit]):
    """The connection and its thread. Functions run in the thread.

    ``begin`` makes what the functions of one transaction share; ``finish`` ends it, before the commit.
    """

    def __init__(
        self,
        file: StoreFile,
        connect: Callable[[], sqlite3.Connection],
        clock: Clock,
        *,
        begin: Callable[[sqlite3.Connection], Unit],
        finish: Callable[[Unit], None],
    ) -> None:
        self._file = file
        self._connect = connect
        self._clock = clock
        self._begin = begin
        self._finish = finish
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="perkie-sqlite")
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._calls: list[_Call[Unit]] = []
        self._working = False
        self._closed = False
        self._locked: StoreUnavailable | None = None  # the error of the last write, if the file was locked
        self._retry_at = 0.0

    async def write(self, function: Callable[[Unit], T]) -> T:
        """Runs ``function`` in a transaction, which others may share: if it raises, it must have written nothing.

        Raises: StoreUnavailable, for all who wait when the file stays locked, and at once for a while after that.
        """
        if self._locked is not None and self._clock.monotonic() < self._retry_at:
            raise copy.copy(self._locked)
        result: T = await self._run(function, writes=True)
        return result

    async def read(self, function: Callable[[], T]) -> T:
        """Runs ``function`` outside a transaction. Raises: StoreUnavailable."""
        result: T = await self._run(function, writes=False)
        return result

    async def aclose(self) -> None:
        """Closes the file once all earlier calls are done; later ones are refused."""
        if not self._closed:
            closing = self._called(self._close, writes=False)
            self._closed = True
            await closing
            self._thread.shutdown(wait=False)

    def connection(self) -> sqlite3.Connection:
        """The open connection; in the thread only.

        Raises: sqlite3.Error, OSError; once when the file was removed or replaced, since what it held is lost.
        """
        if self._connection is not None and self._inode != _inode(self._file.path):
            self._close()
            raise OSError(errno.ESTALE, "it was removed or replaced while in use")
        if self._connection is None:
            self._connection = self._connect()
            self._inode = _inode(self._file.path)
        return self._connection

    async def _run(self, function: Callable[..., Any], *, writes: bool) -> Any:
        if self._closed:
            raise StoreUnavailable(f"{self._file.title} is closed: this process is ending")
        return await self._called(function, writes=writes)

    def _called(self, function: Callable[..., Any], *, writes: bool) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._calls.append(_Call(function, writes, answer))
        if not self._working:
            self._work_off(loop)
        return answer

    def _work_off(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._calls = self._calls[:BATCH], self._calls[BATCH:]
        self._working = True

        def ended(done: asyncio.Future[tuple[list[Outcome], StoreUnavailable | None]]) -> None:
            outcomes, self._locked = done.result()
            for call, outcome in zip(batch, outcomes, strict=True):
                _answer(call.answer, outcome)
            if self._locked is not None:
                self._retry_at = self._clock.monotonic() + PAUSE
                self._refuse_writes(self._locked)
            self._working = False
            if self._calls:
                self._work_off(loop)

        loop.run_in_executor(self._thread, self._outcomes, batch).add_done_callback(ended)

    def _refuse_writes(self, error: StoreUnavailable) -> None:
        for call in self._calls:
            if call.writes:
                _answer(call.answer, (None, copy.copy(error)))
        self._calls = [call for call in self._calls if not call.writes]

    # ---------------------------------------------------------------- in the thread

    def _outcomes(self, calls: Sequence[_Call[Unit]]) -> tuple[list[Outcome], StoreUnavailable | None]:
        """The results in order, and the error if the file was locked: then the other writes are not tried."""
        outcomes: list[Outcome] = []
        locked: StoreUnavailable | None = None
        for writes, group in groupby(calls, key=lambda call: call.writes):
            functions: list[Any] = [call.function for call in group]
            if not writes:
                outcomes += map(self._read, functions)
            elif locked is None:
                written, locked = self._write(functions)
                outcomes += written
            else:
                outcomes += [(None, copy.copy(locked)) for _ in functions]
        return outcomes, locked

    def _write(self, functions: Sequence[Callable[[Unit], Any]]) -> tuple[list[Outcome], StoreUnavailable | None]:
        try:
            connection = self.connection()
            with transaction(connection):
                unit = self._begin(connection)
                outcomes = [_outcome(partial(function, unit)) for function in functions]
                self._finish(unit)
        except (sqlite3.DatabaseError, OSError) as error:
            failure = self._failed(error)
            locked = failure if cause_of(error, self._file.path) is Cause.LOCKED else None
            return [(None, copy.copy(failure)) for _ in functions], locked
        return outcomes, None

    def _read(self, function: Callable[[], Any]) -> Outcome:
        try:
            return _outcome(function)
        except (sqlite3.DatabaseError, OSError) as error:
            return None, self._failed(error)

    def _failed(self, error: sqlite3.Error | OSError) -> StoreUnavailable:
        self._close()  # reconnect next time: the file may have been replaced
        failure = store_error(self._file, error)
        failure.__cause__ = error
        return failure

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _outcome(call: Callable[[], Any]) -> Outcome:
    """Errors of the file are raised: they concern the whole transaction."""
    try:
        return call(), None
    except (sqlite3.DatabaseError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 -- handed to whoever waits
        return None, error


def _answer(answer: asyncio.Future[Any], outcome: Outcome) -> None:
    if answer.done():  # the waiter was cancelled
        return
    result, error = outcome
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return -1
