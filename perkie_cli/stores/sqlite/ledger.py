"""The spend ledger in one SQLite file, shared by all processes of a machine.

One transaction checks the day's sum and books, so that processes together never exceed the cap. Money is counted in
whole nanodollars: SQLite has no decimals, and one token costs a few hundred of them.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.domain.money.spend import NANO, Purchase, Spend, Usage, daily_cap_reached, nanodollars
from perkie_cli.domain.people.identity import Owner
from perkie_cli.ports import Clock
from perkie_cli.stores.sqlite.file import REPAIR, open_shared, reading, transaction
from perkie_cli.stores.sqlite.thread import PATIENCE, FileThread
from perkie_cli.stores.sqlite.trouble import StoreFile

T = TypeVar("T")

_PAUSE = 0.01  # seconds until another try

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
    drawn INTEGER NOT NULL DEFAULT 1, -- 0 if the call brought no picture
    owner TEXT NOT NULL DEFAULT ''   -- whose request it was, unless that owner was erased
) WITHOUT ROWID;
CREATE INDEX booking_day ON booking (day, nanodollars);
"""


_ADDED = {
    "style": "TEXT NOT NULL DEFAULT ''",
    "drawn": "INTEGER NOT NULL DEFAULT 1",
    "owner": "TEXT NOT NULL DEFAULT ''",
}


class SqliteLedger:
    """``ports.SpendLedger`` over a file, which is created at first use."""

    def __init__(self, path: Path, clock: Clock, *, busy_timeout: float = PATIENCE) -> None:
        self._path = path
        self._clock = clock
        self._busy_timeout = busy_timeout
        self._thread = FileThread(
            StoreFile(path, f"the spend ledger {path}", REPAIR),
            self._connect,
            clock,
            begin=lambda connection: connection,
            finish=lambda _: None,
        )

    async def reserve(self, purchase: Purchase, usd: Decimal, cap: Decimal) -> str:
        """Books ``usd`` under a new id."""
        booking = uuid.uuid4().hex
        now = self._clock.now()
        await self._thread.write(lambda connection: self._reserve(connection, booking, purchase, usd, cap, now))
        return booking

    async def settle(self, booking: str, usage: Usage, *, drawn: bool) -> None:
        """Replaces the reserved amount by the actual cost."""
        await self._thread.write(lambda connection: self._settle(connection, booking, usage, drawn))

    async def spent(self, day: date) -> Decimal:
        """The sum of a day's bookings."""
        return await self._thread.read(lambda: self._spent(day))

    async def report(self, first: date, last: date) -> Sequence[Spend]:
        """The days from ``first`` to ``last``, by day, model and style."""
        return await self._thread.read(lambda: self._report(first, last, named=False))

    async def report_by_customer(self, first: date, last: date, only: Owner | None = None) -> Sequence[Spend]:
        """The same, also by owner."""
        rows = await self._thread.read(lambda: self._report(first, last, named=True))
        return [each for each in rows if only is None or each.customer == str(only)]

    async def forget(self, owner: Owner) -> int:
        """Clears the name in its bookings, and in what SQLite keeps of earlier states."""
        return await self._thread.read(lambda: self._forget(str(owner)))

    async def ping(self) -> None:
        """Takes and releases the write lock: nothing is sent upstream while spending cannot be recorded."""
        await self._thread.read(self._ping)

    async def aclose(self) -> None:
        """Closes the file."""
        await self._thread.aclose()

    # ---------------------------------------------------------------- in the thread

    def _connect(self) -> sqlite3.Connection:
        connection = open_shared(self._path, SCHEMA, busy_timeout=self._busy_timeout)
        connection.execute("PRAGMA secure_delete = ON")  # a name that was cleared leaves no trace in the file
        return with_added_columns(connection)

    def _reading(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return reading(self._path, SCHEMA, self._thread.connection, query)

    def _ping(self) -> None:
        with transaction(self._thread.connection()):
            pass

    def _reserve(
        self,
        connection: sqlite3.Connection,
        booking: str,
        purchase: Purchase,
        usd: Decimal,
        cap: Decimal,
        now: datetime,
    ) -> None:
        day = now.date()
        spent = self._sum(connection, day)
        if spent + usd > cap:
            raise daily_cap_reached(spent, cap, now)
        connection.execute(
            "INSERT INTO booking (id, day, model, style, nanodollars, open, owner) VALUES (?, ?, ?, ?, ?, 1, ?)",
            (booking, day.isoformat(), purchase.model, purchase.style, nanodollars(usd), purchase.name),
        )

    def _settle(self, connection: sqlite3.Connection, booking: str, usage: Usage, drawn: bool) -> None:
        query = """
            UPDATE booking SET nanodollars = ?, open = 0, input_tokens = ?, output_tokens = ?, drawn = ? WHERE id = ?
        """
        values = nanodollars(usage.cost_usd), usage.input_tokens, usage.output_tokens, drawn, booking
        connection.execute(query, values)

    def _spent(self, day: date) -> Decimal:
        return self._reading(lambda connection: self._sum(connection, day))

    def _sum(self, connection: sqlite3.Connection, day: date) -> Decimal:
        row = connection.execute("SELECT sum(nanodollars) FROM booking WHERE day = ?", (day.isoformat(),)).fetchone()
        return Decimal(row[0] or 0) / NANO

    def _forget(self, owner: str) -> int:
        named = "SELECT EXISTS (SELECT 1 FROM booking WHERE owner = ?)"
        log = self._path.with_name(f"{self._path.name}-wal")  # has the name after an erasure that was cut off
        logged = log.exists() and log.stat().st_size > 0
        if not (logged or self._reading(lambda connection: connection.execute(named, (owner,)).fetchone()[0])):
            return 0  # nothing is written: an erasure has to work on a full disk
        connection = self._thread.connection()
        with transaction(connection):
            count = connection.execute("UPDATE booking SET owner = '' WHERE owner = ?", (owner,)).rowcount
        self._empty(log, connection)
        return count

    def _empty(self, log: Path, connection: sqlite3.Connection) -> None:
        """Empties the write-ahead log, which has what the pages were before. Waits for others, as a write does.

        Raises: StoreUnavailable if one of them keeps it.
        """
        until = time.monotonic() + self._busy_timeout
        while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:  # busy, which is no error
            if time.monotonic() > until:
                raise StoreUnavailable(
                    f"the name is off all bookings, but {log} may still have it: another process reads {self._path}",
                    hint=f"Run it again. If that process stays, find it: fuser {self._path}",
                )
            time.sleep(_PAUSE)  # SQLite itself waits for readers, but not for a checkpoint of somebody else

    def _report(self, first: date, last: date, *, named: bool) -> Sequence[Spend]:
        query = """
            SELECT day, model, style, count(*), sum(drawn AND NOT open), sum(nanodollars), sum(nanodollars * open),
                   sum(nanodollars * (NOT drawn AND NOT open)), sum(input_tokens), sum(output_tokens), sum(open),
                   CASE WHEN ? THEN owner ELSE '' END AS name
            FROM booking WHERE day BETWEEN ? AND ? GROUP BY day, model, style, name ORDER BY day, model, style, name
        """
        values = named, first.isoformat(), last.isoformat()
        rows = self._reading(lambda connection: connection.execute(query, values).fetchall())
        return [_spend(*row) for row in rows]


def with_added_columns(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Adds the columns that a file of an older version lacks; processes of that version go on with it as before."""
    if _missing(connection):
        with transaction(connection):
            for name in _missing(connection):  # another process may have added them meanwhile
                connection.execute(f"ALTER TABLE booking ADD COLUMN {name} {_ADDED[name]}")
    return connection


def _missing(connection: sqlite3.Connection) -> list[str]:
    known = {name for _, name, *_ in connection.execute("PRAGMA table_info(booking)")}
    return [name for name in _ADDED if name not in known]


def _spend(day: str, model: str, style: str, calls: int, pictures: int, *rest: Any) -> Spend:
    *nano, taken, given, unsettled, owner = rest
    usd, possible_usd, wasted_usd = (Decimal(each) / NANO for each in nano)
    then = date.fromisoformat(day)
    return Spend(then, model, style, calls, pictures, usd, possible_usd, wasted_usd, taken, given, unsettled, owner)
