"""The record of outputs in one SQLite file, shared by all processes of a user."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import astuple
from pathlib import Path
from typing import Any

from perkie_cli.ports import MadeOutput
from perkie_cli.stores.sqlite.file import REPAIR, open_shared, reading
from perkie_cli.stores.sqlite.trouble import StoreFile, explained

SCHEMA = """CREATE TABLE IF NOT EXISTS outputs (
    path BLOB PRIMARY KEY, stat TEXT NOT NULL, sha256 TEXT NOT NULL,
    input BLOB NOT NULL, input_stat TEXT NOT NULL, input_sha256 TEXT NOT NULL,
    options TEXT NOT NULL, final INTEGER NOT NULL) WITHOUT ROWID"""
_FIND = "SELECT * FROM outputs WHERE path = ?"
_PUT = "INSERT OR REPLACE INTO outputs VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_BELOW = "SELECT path FROM outputs WHERE substr(path, 1, ?) = ?"
_ASK = 500  # files in one query
_PRIVATE = 0o600


class SqliteOutputs:
    """``ports.OutputStore`` over a file, which is opened for each call: any thread or process may use it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = StoreFile(path, f"the record of outputs {path}", REPAIR)
        self._prepared = False

    def find(self, path: bytes) -> MadeOutput | None:
        """The record of a file, or None."""
        row = self._read(_FIND, (path,), lambda rows: rows.fetchone())
        return None if row is None else _made(*row)

    def find_all(self, paths: Sequence[bytes]) -> list[MadeOutput]:
        """The records of many files, in queries of ``_ASK`` each."""
        found: list[MadeOutput] = []
        for start in range(0, len(paths), _ASK):
            asked = tuple(paths[start : start + _ASK])
            query = f"SELECT * FROM outputs WHERE path IN ({', '.join('?' * len(asked))})"  # noqa: S608  # no values
            found += [_made(*row) for row in self._read(query, asked, lambda rows: rows.fetchall())]
        return found

    def put(self, made: MadeOutput) -> None:
        """Inserts or replaces the record of a file."""
        with explained(self._file), closing(self._open()) as connection:
            connection.execute(_PUT, astuple(made))

    def below(self, folder: bytes) -> list[bytes]:
        """Recorded paths that begin with ``folder``."""
        return [path for (path,) in self._read(_BELOW, (len(folder), folder), lambda rows: rows.fetchall())]

    def _read(self, sql: str, values: tuple[object, ...], fetch: Callable[[sqlite3.Cursor], Any]) -> Any:
        def query(connection: sqlite3.Connection) -> Any:
            with closing(connection):
                return fetch(connection.execute(sql, values))

        with explained(self._file):
            return reading(self._path, None, self._open, query)

    def _open(self) -> sqlite3.Connection:
        connection = open_shared(self._path, SCHEMA)
        try:
            if not self._prepared:
                self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Repairs a file of an earlier perkie: its table may be missing after a kill, and others could read it."""
        connection.execute(SCHEMA)
        if self._path.stat().st_mode & 0o077:
            self._path.chmod(_PRIVATE)
        self._prepared = True


def _made(path: bytes, stat: str, sha256: str, *rest: Any) -> MadeOutput:
    input_, input_stat, input_sha256, options, final = rest
    return MadeOutput(path, stat, sha256, input_, input_stat, input_sha256, options, bool(final))
