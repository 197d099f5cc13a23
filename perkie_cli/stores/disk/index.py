"""The SQLite index of the disk store: one row per object, so that listing and counting never walk the tree.

Readers are not blocked while one process writes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from perkie_cli.domain.errors import CorruptStore, StoreBroken
from perkie_cli.domain.storage.selection import AREAS, Selection, StoredTotal, sought_by
from perkie_cli.ports import BlobInfo
from perkie_cli.stores.disk.usage import make_room
from perkie_cli.stores.sqlite.file import move_aside, open_shared, reading, transaction, verdict
from perkie_cli.stores.sqlite.trouble import Cause, cause_of

T = TypeVar("T")
VERSION = 2
REPAIR = "perkie cache verify --repair"

_SCHEMA = f"""
CREATE TABLE objects (
    key TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,          -- bytes
    content_type TEXT NOT NULL,
    sha256 TEXT NOT NULL,           -- of the stored bytes
    created INTEGER NOT NULL,       -- times in microseconds since 1970 UTC
    touched INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    metadata TEXT NOT NULL,         -- JSON object
    hash TEXT NOT NULL,             -- of the upload, from the key
    style TEXT NOT NULL,            -- from the key, empty where it names none
    area TEXT NOT NULL              -- from the key
);
CREATE INDEX tallies ON objects (area, touched, size);  -- a million objects are counted without reading their rows
PRAGMA user_version = {VERSION};
"""
_COLUMNS = ", ".join(field.name for field in fields(BlobInfo) if field.name != "fault")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """Microseconds since 1970 UTC, exact."""
    return (time - _EPOCH) // _MICROSECOND


class DiskIndex:
    """Rows of objects. Every thread gets its own connection; errors are sqlite3's own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._era = 0

    def reopen(self) -> None:
        """Makes every thread reconnect: the file may have been replaced or removed."""
        self._era += 1

    def _connection(self) -> sqlite3.Connection:
        held: tuple[int, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] != self._era:
            del self._local.held
            self._opened.remove(held[1])
            held[1].close()
            held = None
        if held is None:
            held = self._local.held = self._era, self._open()
            self._opened.append(held[1])
        return held[1]

    def _open(self) -> sqlite3.Connection:
        connection = open_shared(self._path, _SCHEMA)
        try:
            self._check_version(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_version(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            raise CorruptStore("the cache's index is empty or is another file", hint=f"`{REPAIR}` rebuilds it.")
        if version != VERSION:
            raise StoreBroken(
                f"the cache's index has version {version}, this perkie reads {VERSION}",
                hint=f"Use the perkie that made {self._path}, or set another cache.dir.",
            )

    def _reading(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return reading(self._path, _SCHEMA, self._connection, query)

    def renew(self, now: datetime) -> Path | None:
        """Moves a corrupt index aside, so that the next call makes an empty one. Returns the place it was moved to.

        Raises: StoreBroken for an index of another version; sqlite3.Error, OSError.
        """
        if self._is_whole():
            return None
        self.reopen()
        return move_aside(self._path, now)

    def _is_whole(self) -> bool:
        if not self._path.exists():
            return True
        try:
            self._reading(self._check_version)
            return verdict(self._path, _SCHEMA) is None
        except CorruptStore:
            return False
        except sqlite3.Error as error:
            if cause_of(error, self._path) is not Cause.CORRUPT:
                raise
            return False

    def close(self) -> None:
        """Closes every thread's connection; no call may be running."""
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Holds the write lock for the block; see ``sqlite.file.transaction``."""
        with transaction(self._connection()):
            yield

    def find(self, key: str) -> BlobInfo | None:
        """The row of a key, or None."""
        sql = f"SELECT {_COLUMNS} FROM objects WHERE key = ?"  # noqa: S608  constants
        row = self._reading(lambda connection: connection.execute(sql, (key,)).fetchone())
        return _info(row) if row else None

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys (a few hundred at most) that have a row."""
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT key FROM objects WHERE key IN ({marks})"  # noqa: S608  only marks
        return {key for (key,) in self._reading(lambda connection: connection.execute(sql, keys).fetchall())}

    def page(self, selection: Selection, after: str, limit: int) -> list[BlobInfo]:
        """The next ``limit`` rows after the key ``after``, in key order."""
        where, values = _condition(selection)
        sql = f"SELECT {_COLUMNS} FROM objects WHERE key > ? AND {where} ORDER BY key LIMIT ?"  # noqa: S608  constants
        rows = self._reading(lambda connection: connection.execute(sql, (after, *values, limit)).fetchall())
        return [_info(row) for row in rows]

    def totals(self, selection: Selection) -> dict[str, StoredTotal]:
        """Totals by area."""
        where, values = _condition(selection, by_area=True)
        sql = f"SELECT area, COUNT(*), SUM(size), MIN(touched) FROM objects WHERE {where} GROUP BY area"  # noqa: S608  constants
        rows = self._reading(lambda connection: connection.execute(sql, values).fetchall())
        return {area: StoredTotal(count, size, _time(oldest)) for area, count, size, oldest in rows}

    def save(self, info: BlobInfo) -> None:
        """Inserts or replaces the row, inside ``writing``."""
        times = microseconds(info.created), microseconds(info.touched)
        facts = info.key, info.size, info.content_type, info.sha256
        values = (
            *facts,
            *times,
            info.generation,
            json.dumps(dict(info.metadata)),
            *sought_by(info.key),
        )
        self.remove(info.key)  # REPLACE would not fire the triggers of ``usage``
        sql = f"INSERT INTO objects ({_COLUMNS}, hash, style, area) VALUES ({', '.join('?' * 11)})"  # noqa: S608  constants
        self._connection().execute(sql, values)

    def make_room(self, key: str, size: int, limit: int) -> list[str]:
        """The keys that must go so that the object fits, inside ``writing``; see ``usage.make_room``."""
        return make_room(self._connection(), key, size, limit)

    def touch(self, key: str, when: datetime, min_step: timedelta) -> None:
        """Moves ``touched`` to ``when`` if that is at least ``min_step`` later."""
        sql = "UPDATE objects SET touched = ? WHERE key = ? AND touched <= ?"
        self._connection().execute(sql, (microseconds(when), key, microseconds(when - min_step)))

    def remove_alone(self, key: str) -> bool:
        """``remove`` without the 32 KiB of shared memory that a connection needs beside others, for a full disk.

        The index is locked for it while others use it; they have that memory already.
        """
        with closing(open_shared(self._path, _SCHEMA, busy_timeout=1, alone=True)) as connection:
            return connection.execute("DELETE FROM objects WHERE key = ?", (key,)).rowcount > 0

    def remove(self, key: str) -> bool:
        """Deletes the row; True when it existed."""
        return self._connection().execute("DELETE FROM objects WHERE key = ?", (key,)).rowcount > 0


def _info(row: tuple[Any, ...]) -> BlobInfo:
    """One odd row, such as a tool or a damaged disk leaves, must not stop a listing: it is read as far as it goes."""
    key, size, content_type, sha256, created, touched, generation, metadata = row
    times = _time(created), _time(touched)
    facts, fault = _facts(metadata)
    if _LATEST in times:
        fault = f"times are {created!r:.30} and {touched!r:.30}"
    return BlobInfo(key, size, content_type, sha256, *times, generation, facts, fault)


def _facts(metadata: object) -> tuple[dict[str, str], str | None]:
    """The facts of a row, and what is wrong with them."""
    try:
        facts = json.loads(metadata)  # type: ignore[arg-type]  # SQLite keeps any type in any column
        if isinstance(facts, dict):
            return {name: str(value) for name, value in facts.items()}, None
    except (TypeError, ValueError, RecursionError):
        pass
    return {}, f"metadata is {metadata!r:.60}"


def _time(value: int) -> datetime:
    """A number that is no time counts as the last one: what cannot be read should not expire."""
    try:
        return _EPOCH + timedelta(microseconds=value)
    except (OverflowError, TypeError):
        return _LATEST


def _condition(selection: Selection, *, by_area: bool = False) -> tuple[str, list[object]]:
    """``Selection.matches`` in SQL. Keys and hashes are ASCII, so DEL is an upper bound for a prefix.

    ``by_area``: a prefix that is a whole area becomes a condition on ``area``, which the index ``tallies`` covers.
    """
    terms: list[tuple[str, tuple[object, ...]]] = [("TRUE", ())]
    if by_area and selection.prefix.removesuffix("/") in AREAS and selection.prefix.endswith("/"):
        terms.append(("area = ?", (selection.prefix.removesuffix("/"),)))
    elif selection.prefix:
        terms.append(("key >= ? AND key < ?", (selection.prefix, f"{selection.prefix}\x7f")))
    if selection.hash is not None:
        terms.append(("hash >= ? AND hash < ?", (selection.hash, f"{selection.hash}\x7f")))
    if selection.style is not None:
        terms.append(("style = ?", (selection.style,)))
    if selection.touched_until is not None:
        terms.append(("touched <= ?", (microseconds(selection.touched_until),)))
    if selection.larger_than is not None:
        terms.append(("size > ?", (selection.larger_than,)))
    return " AND ".join(term for term, _ in terms), [value for _, values in terms for value in values]
