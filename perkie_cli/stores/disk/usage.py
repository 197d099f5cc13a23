"""The size of the disk store, kept exact by the index itself, and what has to go for a new object.

Triggers keep the sum, so that every process counts the same, whichever of them has a limit. They are made when a limit
is first in force: without one, writing costs nothing more.
"""

from __future__ import annotations

import sqlite3

_EXISTS = "SELECT 1 FROM sqlite_master WHERE name = 'usage'"
_MAKE = (
    "CREATE TABLE usage (bytes INTEGER NOT NULL)",
    "INSERT INTO usage SELECT COALESCE(SUM(size), 0) FROM objects",
    "CREATE TRIGGER usage_added AFTER INSERT ON objects BEGIN UPDATE usage SET bytes = bytes + NEW.size; END",
    "CREATE TRIGGER usage_removed AFTER DELETE ON objects BEGIN UPDATE usage SET bytes = bytes - OLD.size; END",
    "CREATE INDEX by_touch ON objects (touched, key)",
)
_LEAST_RECENT = "SELECT key, size FROM objects WHERE key <> ? ORDER BY touched, key"


def make_room(connection: sqlite3.Connection, key: str, size: int, limit: int) -> list[str]:
    """The keys that must go, least recently used first, so that ``size`` bytes fit under ``key``. In a transaction."""
    if connection.execute(_EXISTS).fetchone() is None:
        for statement in _MAKE:
            connection.execute(statement)
    (used,) = connection.execute("SELECT bytes FROM usage").fetchone()
    before = connection.execute("SELECT size FROM objects WHERE key = ?", (key,)).fetchone()
    excess = used + size - (before[0] if before else 0) - limit
    victims: list[str] = []
    rows = connection.execute(_LEAST_RECENT, (key,))
    while excess > 0 and (row := rows.fetchone()) is not None:
        victims.append(row[0])
        excess -= row[1]
    return victims
