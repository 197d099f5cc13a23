"""The journal of runs in one SQLite file, shared by all processes of a user.

Each event is a transaction of its own, without a wait for the disk (``synchronous = NORMAL``): what a killed process
did is known. Money is in whole nanodollars, as in the ledger. Paths are kept as bytes: they need not be text.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from perkie_cli.domain.money.spend import NANO, nanodollars
from perkie_cli.domain.runs import Item, Outcome, Run, Status
from perkie_cli.stores.sqlite.file import REPAIR, open_shared, reading, transaction
from perkie_cli.stores.sqlite.trouble import StoreFile, explained

KEPT = timedelta(days=90)
PAGE = 500
_ASK = 500  # outputs in one query

SCHEMA = """
CREATE TABLE run (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    command TEXT NOT NULL,
    words TEXT NOT NULL,             -- JSON
    folder TEXT NOT NULL,
    begun TEXT NOT NULL,             -- ISO 8601, UTC
    ended TEXT,
    outcome TEXT NOT NULL,
    total INTEGER NOT NULL
);
CREATE TABLE item (
    run INTEGER NOT NULL REFERENCES run,
    place INTEGER NOT NULL,
    source BLOB NOT NULL,
    output BLOB NOT NULL,
    style TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    seconds REAL NOT NULL,
    nanodollars INTEGER NOT NULL,
    engine TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    hint TEXT NOT NULL,
    PRIMARY KEY (run, place)
) WITHOUT ROWID;
CREATE INDEX item_output ON item (output, run);
"""
_RUN = "id, command, words, folder, begun, total, ended, outcome"
_ITEM = "place, source, output, style, status, attempts, seconds, nanodollars, engine, code, message, hint"
_PUT = f"INSERT INTO item (run, {_ITEM}) VALUES (?{', ?' * 12})"  # noqa: S608  # no values
_SUMS = "SELECT status, count(*), sum(nanodollars) FROM item WHERE run = ? GROUP BY status"
_NUMBER = "(SELECT number FROM run WHERE id = ?)"
_END = f"""UPDATE item SET status = ?, attempts = ?, seconds = ?, nanodollars = ?, engine = ?, code = ?, message = ?,
    hint = ? WHERE run = {_NUMBER} AND place = ?"""  # noqa: S608  # no values


class SqliteJournal:
    """``ports.Journal`` over a file, which is created at first use."""

    def __init__(self, path: Path) -> None:
        self._file = StoreFile(path, f"the journal of runs {path}", REPAIR)
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()  # one connection, used by one thread at a time

    def begin(self, run: Run, items: Iterable[Item]) -> None:
        """Records a run and its items; drops old ones."""
        row = (run.id, run.command, json.dumps(run.words), json.dumps(run.folder), run.begun.isoformat(), run.total)
        with self._use() as db, transaction(db):
            _drop_before(db, run.begun - KEPT)
            made = db.execute(
                f"INSERT INTO run ({_RUN}) VALUES (?, ?, ?, ?, ?, ?, NULL, ?)",  # noqa: S608  # no values
                (*row, Outcome.RUNNING.value),
            )
            db.executemany(_PUT, ((made.lastrowid, *_row(item)) for item in items))

    def started(self, run: str, place: int, attempts: int) -> None:
        """Sets the item's status to running."""
        with self._use() as db:
            db.execute(
                f"UPDATE item SET status = ?, attempts = ? WHERE run = {_NUMBER} AND place = ?",  # noqa: S608  # no values
                (Status.RUNNING.value, attempts, run, place),
            )

    def ended(self, run: str, item: Item) -> None:
        """Sets the item's outcome."""
        _, _, _, _, *outcome = _row(item)
        with self._use() as db:
            db.execute(_END, (*outcome, run, item.place))

    def finish(self, run: str, outcome: Outcome, when: datetime) -> None:
        """Sets the run's outcome."""
        with self._use() as db:
            db.execute("UPDATE run SET outcome = ?, ended = ? WHERE id = ?", (outcome.value, when.isoformat(), run))

    def last(self, outputs: Iterable[str]) -> Mapping[str, Item]:
        """The newest record of each output that was tried."""
        names = [os.fsencode(output) for output in outputs]
        found: dict[str, Item] = {}
        for start in range(0, len(names), _ASK):
            asked = names[start : start + _ASK]
            marks = ", ".join("?" * len(asked))
            # SQLite takes the other columns from the row of max(): https://sqlite.org/lang_select.html#bareagg
            query = f"""SELECT {_ITEM}, max(run) FROM item WHERE output IN ({marks}) AND status NOT IN
                ('{Status.SKIPPED.value}', '{Status.WAITING.value}') GROUP BY output"""  # noqa: S608  # no values
            items = [_item(row[:-1]) for row in self._read(query, *asked)]
            found |= {item.output: item for item in items}
        return found

    def runs(self, limit: int) -> Sequence[Run]:
        """The newest runs."""
        return self._runs("ORDER BY number DESC LIMIT ?", limit)

    def find(self, beginning: str) -> Sequence[Run]:
        """Runs by the beginning of their id."""
        if not beginning:
            return self.runs(1)
        return self._runs("WHERE substr(id, 1, ?) = ? ORDER BY number DESC LIMIT 10", len(beginning), beginning)

    def items(self, run: str, statuses: frozenset[Status] = frozenset()) -> Iterator[Item]:
        """Reads the items page by page: the run may go on meanwhile."""
        chosen = sorted(status.value for status in statuses or Status)
        marks = ", ".join("?" * len(chosen))
        query = f"""SELECT {_ITEM} FROM item WHERE run = {_NUMBER} AND place > ? AND status IN ({marks})
            ORDER BY place LIMIT {PAGE}"""  # noqa: S608  # no values
        place = -1
        while True:
            page = [_item(row) for row in self._read(query, run, place, *chosen)]
            yield from page
            if len(page) < PAGE:
                return
            place = page[-1].place

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _runs(self, which: str, *values: object) -> list[Run]:
        rows = self._read(f"SELECT number, {_RUN} FROM run {which}", *values)  # noqa: S608  # no values
        return [_run(row, self._read(_SUMS, number)) for number, *row in rows]

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        with explained(self._file), self._lock:
            yield self._connected()

    def _read(self, query: str, *values: object) -> list[Any]:
        """The rows; also where the disk is full or not writable."""

        def rows(connection: sqlite3.Connection) -> list[Any]:
            return connection.execute(query, values).fetchall()

        with explained(self._file), self._lock:
            return reading(self._file.path, SCHEMA, self._connected, rows)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_shared(self._file.path, SCHEMA)
        return self._connection


def _drop_before(db: sqlite3.Connection, when: datetime) -> None:
    old = [number for (number,) in db.execute("SELECT number FROM run WHERE begun < ?", (when.isoformat(),))]
    for number in old:
        db.execute("DELETE FROM item WHERE run = ?", (number,))
        db.execute("DELETE FROM run WHERE number = ?", (number,))


def _run(row: Sequence[Any], sums: Sequence[tuple[str, int, int]]) -> Run:
    id_, command, words, folder, begun, total, ended, outcome = row
    return Run(
        id_,
        command,
        tuple(json.loads(words)),
        json.loads(folder),
        datetime.fromisoformat(begun),
        total,
        None if ended is None else datetime.fromisoformat(ended),
        Outcome(outcome),
        {Status(status): count for status, count, _ in sums},
        Decimal(sum(nano for _, _, nano in sums)) / NANO,
    )


def _row(item: Item) -> tuple[Any, ...]:
    made = (item.status.value, item.attempts, item.seconds, nanodollars(item.usd), item.engine)
    error = (_text(item.code), _text(item.message), _text(item.hint))
    return (item.place, os.fsencode(item.source), os.fsencode(item.output), item.style, *made, *error)


def _text(text: str) -> str:
    """Text that SQLite takes: a message may name a file whose name is not text."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _item(row: Sequence[Any]) -> Item:
    place, source, output, style, status, attempts, seconds, nano, *rest = row
    paths = os.fsdecode(source), os.fsdecode(output)
    return Item(place, *paths, style, Status(status), attempts, seconds, Decimal(nano) / NANO, *rest)
