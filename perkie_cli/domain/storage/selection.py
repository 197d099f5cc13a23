"""Selections of stored objects, their order, and their totals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.pictures.cache_key import parse_name

AREAS = ("cutouts", "generated/customers", "generated/temp", "originals/customers", "originals/temp", "shared")
OTHER = "other"


class WarmBy(StrEnum):
    """Which uploads come first when pictures are drawn before anybody asks."""

    NEWEST = "newest"
    UPLOADS = "uploads"  # those that most owners uploaded


@frozen
class Selection:
    """Objects that meet every given condition; without conditions, all of them.

    ``hash`` is a prefix of the upload's hash; ``touched_until`` is inclusive; ``larger_than`` is in bytes, exclusive.
    """

    prefix: str = ""
    hash: str | None = None
    style: str | None = None
    touched_until: datetime | None = None
    larger_than: int | None = None

    def matches(self, key: str, size: int, touched: datetime) -> bool:
        """The reference rule; stores with an index may express it as a query."""
        hash_, style = parse_name(key)
        return (
            key.startswith(self.prefix)
            and (self.hash is None or hash_.startswith(self.hash))
            and (self.style is None or style == self.style)
            and (self.touched_until is None or touched <= self.touched_until)
            and (self.larger_than is None or size > self.larger_than)
        )


EVERYTHING = Selection()


@frozen
class StoredTotal:
    """The number of objects, their bytes, and the last use of the one that was unused the longest."""

    count: int = 0
    bytes: int = 0
    oldest: datetime | None = None

    def __add__(self, other: StoredTotal) -> StoredTotal:
        times = [time for time in (self.oldest, other.oldest) if time is not None]
        return StoredTotal(self.count + other.count, self.bytes + other.bytes, min(times, default=None))


def total(totals: Mapping[str, StoredTotal]) -> StoredTotal:
    """All areas together."""
    return sum(totals.values(), StoredTotal())


def area_of(key: str) -> str:
    """The area that a key belongs to: each has its own lifetime."""
    return next((area for area in AREAS if key.startswith(f"{area}/")), OTHER)


def sought_by(key: str) -> tuple[str, str, str]:
    """What selections and totals ask of a key, for an index: hash, style, area."""
    return *parse_name(key), area_of(key)
