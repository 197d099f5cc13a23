"""Opening an SQLite file that several threads and processes share.

With write-ahead logging readers are not blocked by the one writer (https://sqlite.org/wal.html). Switching it on does
not wait for a lock: if two connections open a new file together, one fails at once with "database is locked",
whatever its timeout. So a new file is completed under a temporary name and then linked into place; nobody ever sees
one without its mode and schema.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from perkie_cli.stores.sqlite.trouble import UNWRITABLE, Cause, cause_of
from perkie_cli.system.private import open_private, private_folder

T = TypeVar("T")

REPAIR = "perkie state verify --repair"  # moves a corrupt file of the state folder aside
BUSY_TIMEOUT = 10.0  # seconds that a writer waits for others; a transaction takes far less than a millisecond


def open_shared(
    path: Path, schema: str, *, busy_timeout: float = BUSY_TIMEOUT, alone: bool = False
) -> sqlite3.Connection:
    """A connection in autocommit mode, for one thread at a time. A missing file is created with mode 0600.

    ``synchronous=NORMAL``: a crash of the process loses nothing; a power loss may lose the last transactions, never
    the file (https://sqlite.org/pragma.html#pragma_synchronous). ``alone`` locks all others out, and needs no room for
    shared memory (https://sqlite.org/wal.html#noshm).

    Raises: sqlite3.Error, OSError.
    """
    if not path.exists():
        _make(path, schema)
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        if alone:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def reading(path: Path, schema: str | None, connect: Callable[[], sqlite3.Connection], query: Callable[..., T]) -> T:
    """``query`` over ``connect()``. If the disk is full or not writable, over the file alone, without the side files
    that SQLite would have to create for a reader (https://sqlite.org/wal.html#read_only_databases). With a
    ``schema``, a file that cannot be created there counts as empty.

    Raises: sqlite3.Error, OSError.
    """
    try:
        return query(connect())
    except (sqlite3.Error, OSError) as error:
        if cause_of(error, path) not in UNWRITABLE:
            raise
        frozen = _frozen(path, schema)
        if frozen is None:
            raise
    with closing(frozen):
        return query(frozen)


def _frozen(path: Path, schema: str | None) -> sqlite3.Connection | None:
    """The file as it is; without a file an empty one, if there is a schema; None if it has commits in its log."""
    if not path.exists():
        if schema is None:
            return None
        empty = sqlite3.connect(":memory:")
        empty.executescript(schema)
        return empty
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return None
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def verdict(path: Path, schema: str) -> str | None:
    """What is wrong inside the file, in SQLite's words; None if it is whole or absent. Reads all of it.

    Raises: sqlite3.Error, OSError for causes other than damage.
    """
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(":memory:")) as wanted:
            wanted.executescript(schema)
            tables = {name for (name,) in wanted.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        connect = lambda: open_shared(path, schema)  # noqa: E731 -- closed by nobody else
        found, said = reading(path, schema, connect, _looked_at)
    except sqlite3.Error as error:
        if cause_of(error, path) is not Cause.CORRUPT:
            raise
        return str(error)
    if missing := tables - found:
        return f"no such table: {min(missing)}"
    return None if said == "ok" else said


def _looked_at(connection: sqlite3.Connection) -> tuple[set[str], str]:
    with closing(connection):
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return tables, str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])


def move_aside(path: Path, now: datetime) -> Path:
    """Renames the file and its side files, so that a new one can take its place. Raises: OSError."""
    for number in range(1000):
        aside = path.with_name(f"{path.name}.corrupt-{now:%Y%m%dT%H%M%S}{f'-{number}' if number else ''}")
        if not aside.exists():
            break
    path.rename(aside)
    for ending in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Holds the file's write lock, across all processes; commits at the end, or rolls back.

    The lock is taken before the first read, so that a read-modify-write never has to be retried
    (https://sqlite.org/lang_transaction.html).
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # with a full disk SQLite has already rolled back
            connection.execute("ROLLBACK")
        raise


def _make(path: Path, schema: str) -> None:
    private_folder(path.parent)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        made = Path(folder) / path.name
        os.close(open_private(made, os.O_CREAT | os.O_EXCL))
        with closing(sqlite3.connect(made)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(schema)
        with suppress(FileExistsError):  # another process was faster
            path.hardlink_to(made)
