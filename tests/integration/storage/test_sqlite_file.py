"""SQLite files that many open at once."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from perkie_cli.stores.sqlite.file import open_shared, transaction

SCHEMA = "CREATE TABLE numbers (number INTEGER NOT NULL);"
OPENERS = 8


def test_all_who_open_a_fresh_file_together_can_write(tmp_path: Path) -> None:
    def add(path: Path, together: Barrier, number: int) -> None:
        together.wait()
        with closing(open_shared(path, SCHEMA)) as connection:
            connection.execute("INSERT INTO numbers VALUES (?)", (number,))

    with ThreadPoolExecutor(OPENERS) as threads:
        for turn in range(25):
            path, together = tmp_path / str(turn) / "numbers.sqlite", Barrier(OPENERS)
            for written in [threads.submit(add, path, together, number) for number in range(OPENERS)]:
                written.result()
            with closing(open_shared(path, SCHEMA)) as connection:
                found = connection.execute("SELECT number FROM numbers ORDER BY number").fetchall()
                assert found == [(number,) for number in range(OPENERS)]
                assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert [file.name for file in path.parent.iterdir()] == [path.name]
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "numbers.sqlite"
    path.write_bytes(b"a shopping list, by no means a database" * 50)
    with pytest.raises(sqlite3.DatabaseError):
        open_shared(path, SCHEMA).execute("SELECT * FROM numbers")
    assert path.read_bytes().startswith(b"a shopping list")


def test_a_commit_that_fails_leaves_no_transaction_behind(tmp_path: Path) -> None:
    owed = "CREATE TABLE owed (number REFERENCES numbers (number) DEFERRABLE INITIALLY DEFERRED);"
    with closing(open_shared(tmp_path / "numbers.sqlite", SCHEMA.replace("NOT NULL", "UNIQUE") + owed)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError), transaction(connection):
            connection.execute("INSERT INTO owed VALUES (1)")
        with transaction(connection):
            connection.execute("INSERT INTO numbers VALUES (2)")
        assert connection.execute("SELECT count(*) FROM owed").fetchone() == (0,)
