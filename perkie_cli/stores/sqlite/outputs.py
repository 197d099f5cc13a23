"""The record of outputs in one SQLite file, shared by all processes of a user."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple
from pathlib import Path

from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.ports import MadeOutput
from perkie_cli.stores.sqlite.file import open_shared

_SCHEMA = """CREATE TABLE IF NOT EXISTS outputs (
    path BLOB PRIMARY KEY, stat TEXT NOT NULL, sha256 TEXT NOT NULL,
    input BLOB NOT NULL, input_stat TEXT NOT NULL, input_sha256 TEXT NOT NULL,
    options TEXT NOT NULL, final INTEGER NOT NULL) WITHOUT ROWID"""
_FIND = "SELECT stat, sha256, input, input_stat, input_sha256, options, final FROM outputs WHERE path = ?"
_PUT = "INSERT OR REPLACE INTO outputs VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_BELOW = "SELECT path FROM outputs WHERE substr(path, 1, ?) = ?"
_PRIVATE = 0o600


class SqliteOutputs:
    """``ports.OutputStore`` over a file, which is opened for each call: any thread or process may use it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._prepared = False

    def find(self, path: bytes) -> MadeOutput | None:
        """The record of a file, or None."""
        with self._open() as connection:
            row = connection.execute(_FIND, (path,)).fetchone()
        if row is None:
            return None
        stat, sha256, input_, input_stat, input_sha256, options, final = row
        return MadeOutput(path, stat, sha256, input_, input_stat, input_sha256, options, bool(final))

    def put(self, made: MadeOutput) -> None:
        """Inserts or replaces the record of a file."""
        with self._open() as connection:
            connection.execute(_PUT, astuple(made))

    def below(self, folder: bytes) -> list[bytes]:
        """Recorded paths that begin with ``folder``."""
        with self._open() as connection:
            return [path for (path,) in connection.execute(_BELOW, (len(folder), folder))]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(open_shared(self._path, _SCHEMA)) as connection:
                if not self._prepared:
                    self._prepare(connection)
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"the record of outputs {self._path} cannot be used: {error}") from error

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Repairs a file of an earlier perkie: its table may be missing after a kill, and others could read it."""
        connection.execute(_SCHEMA)
        if self._path.stat().st_mode & 0o077:
            self._path.chmod(_PRIVATE)
        self._prepared = True
