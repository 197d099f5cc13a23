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
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from perkie_cli.system.private import open_private, private_folder

BUSY_TIMEOUT = 10.0  # seconds that a writer waits for others; a transaction takes far less than a millisecond


def open_shared(path: Path, schema: str, *, busy_timeout: float = BUSY_TIMEOUT) -> sqlite3.Connection:
    """A connection in autocommit mode, for one thread at a time. A missing file is created with mode 0600.

    ``synchronous=NORMAL``: a crash of the process loses nothing; a power loss may lose the last transactions, never
    the file (https://sqlite.org/pragma.html#pragma_synchronous).

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
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


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
