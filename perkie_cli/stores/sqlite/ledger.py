"""The spend ledger in one SQLite file, shared by all processes of a machine.

One transaction checks the day's sum and books, so that processes together never exceed the cap. Money is counted in
whole nanodollars: SQLite has no decimals, and one token costs a few hundred of them.
"""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import ParamSpec, TypeVar

from perkie_cli.domain.money.spend import NANO, Purchase, Spend, Usage, daily_cap_reached, nanodollars
from perkie_cli.ports import Clock, Workers
from perkie_cli.stores.sqlite.file import REPAIR, open_shared, reading, transaction
from perkie_cli.stores.sqlite.trouble import StoreFile, store_error

P = ParamSpec("P")
T = TypeVar("T")

SCHEMA = """
CREATE TABLE booking (
    id TEXT PRIMARY KEY,
    day TEXT NOT NULL,               -- UTC
    model TEXT NOT NULL,
    nanodollars INTEGER NOT NULL,
    open INTEGER NOT NULL,           -- 1 until settled
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    style TEXT NOT NULL DEFAULT '',
    drawn INTEGER NOT NULL DEFAULT 1 -- 0 if the call brought no picture
) WITHOUT ROWID;
CREATE INDEX booking_day ON booking (day, nanodollars);
"""


_ADDED = {"style": "TEXT NOT NULL DEFAULT ''", "drawn": "INTEGER NOT NULL DEFAULT 1"}


class SqliteLedger:
    """``ports.SpendLedger`` over a file, which is created at first use."""

    def __init__(self, path: Path, clock: Clock, io: Workers) -> None:
        self._path = path
        self._clock = clock
        self._io = io
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()  # one connection, used by one thread at a time

    async def reserve(self, purchase: Purchase, usd: Decimal, cap: Decimal) -> str:
        """Books ``usd`` under a new id."""
        booking = uuid.uuid4().hex
        await self._run(self._reserve, booking, purchase, usd, cap, self._clock.now())
        return booking

    async def settle(self, booking: str, usage: Usage, *, drawn: bool) -> None:
        """Replaces the reserved amount by the actual cost."""
        await self._run(self._settle, booking, usage, drawn)

    async def spent(self, day: date) -> Decimal:
        """The sum of a day's bookings."""
        return await self._run(self._spent, day)

    async def report(self, first: date, last: date) -> Sequence[Spend]:
        """The days from ``first`` to ``last``, by day, model and style."""
        return await self._run(self._report, first, last)

    async def ping(self) -> None:
        """Takes and releases the write lock: nothing is sent upstream while spending cannot be recorded."""
        await self._run(self._ping)

    async def aclose(self) -> None:
        """Closes the file."""
        await self._run(self._close)

    # ---------------------------------------------------------------- in a worker thread

    async def _run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._io.run(function, *args, **kwargs)
        except (sqlite3.Error, OSError) as error:
            raise store_error(StoreFile(self._path, f"the spend ledger {self._path}", REPAIR), error) from error

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._open()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _with_added_columns(open_shared(self._path, SCHEMA))
        return self._connection

    def _reading(self, query: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            return reading(self._path, SCHEMA, self._open, query)

    def _ping(self) -> None:
        with self._use() as connection, transaction(connection):
            pass

    def _reserve(self, booking: str, purchase: Purchase, usd: Decimal, cap: Decimal, now: datetime) -> None:
        day = now.date()
        with self._use() as connection, transaction(connection):
            spent = self._sum(connection, day)
            if spent + usd > cap:
                raise daily_cap_reached(spent, cap, now)
            connection.execute(
                "INSERT INTO booking (id, day, model, style, nanodollars, open) VALUES (?, ?, ?, ?, ?, 1)",
                (booking, day.isoformat(), purchase.model, purchase.style, nanodollars(usd)),
            )

    def _settle(self, booking: str, usage: Usage, drawn: bool) -> None:
        query = """
            UPDATE booking SET nanodollars = ?, open = 0, input_tokens = ?, output_tokens = ?, drawn = ? WHERE id = ?
        """
        with self._use() as connection:
            connection.execute(
                query, (nanodollars(usage.cost_usd), usage.input_tokens, usage.output_tokens, drawn, booking)
            )

    def _spent(self, day: date) -> Decimal:
        return self._reading(lambda connection: self._sum(connection, day))

    def _sum(self, connection: sqlite3.Connection, day: date) -> Decimal:
        row = connection.execute("SELECT sum(nanodollars) FROM booking WHERE day = ?", (day.isoformat(),)).fetchone()
        return Decimal(row[0] or 0) / NANO

    def _report(self, first: date, last: date) -> Sequence[Spend]:
        query = """
            SELECT day, model, style, count(*), sum(drawn AND NOT open), sum(nanodollars), sum(nanodollars * open),
                   sum(nanodollars * (NOT drawn AND NOT open)), sum(input_tokens), sum(output_tokens)
            FROM booking WHERE day BETWEEN ? AND ? GROUP BY day, model, style ORDER BY day, model, style
        """
        days = first.isoformat(), last.isoformat()
        rows = self._reading(lambda connection: connection.execute(query, days).fetchall())
        return [_spend(*row) for row in rows]

    def _close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _with_added_columns(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Adds the columns that a file of an older version lacks; processes of that version go on with it as before."""
    if _missing(connection):
        with transaction(connection):
            for name in _missing(connection):  # another process may have added them meanwhile
                connection.execute(f"ALTER TABLE booking ADD COLUMN {name} {_ADDED[name]}")
    return connection


def _missing(connection: sqlite3.Connection) -> list[str]:
    known = {name for _, name, *_ in connection.execute("PRAGMA table_info(booking)")}
    return [name for name in _ADDED if name not in known]


def _spend(day: str, model: str, style: str, calls: int, pictures: int, *sums: int) -> Spend:
    nano, possible, wasted, taken, given = sums
    usd, possible_usd, wasted_usd = (Decimal(each) / NANO for each in (nano, possible, wasted))
    return Spend(date.fromisoformat(day), model, style, calls, pictures, usd, possible_usd, wasted_usd, taken, given)
