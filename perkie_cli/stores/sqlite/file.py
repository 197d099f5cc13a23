"""Opening an SQLite file that several threads and processes share.

Write-ahead logging lets readers go on beside the one writer (https://sqlite.org/wal.html). Turning it on does not wait
for a lock: of two connections that open a fresh file together one is told "database is locked" at once, whatever its
timeout. So a file is made aside, complete, and linked into place; nobody ever sees one without its mode and schema.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

BUSY_TIMEOUT = 10.0  # seconds that a writer waits for another's transaction, each far below a millisecond


def open_shared(path: Path, schema: str, *, busy_timeout: float = BUSY_TIMEOUT) -> sqlite3.Connection:
    """A connection in autocommit mode that one thread uses at a time; where there is no file it is made, mode 0600.

    ``synchronous=NORMAL``: a crash of the process loses nothing, losing power may lose the last transactions, never
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
    """Holds the file's one write lock, over all processes; commits at the end, or rolls back.

    The lock is taken before the first read, so that a read-modify-write never has to be repeated
    (https://sqlite.org/lang_transaction.html).
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has already rolled it back
            connection.execute("ROLLBACK")
        raise


def _make(path: Path, schema: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        made = Path(folder) / path.name
        os.close(os.open(made, os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(made)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(schema)
        with suppress(FileExistsError):  # another was quicker
            path.hardlink_to(made)
