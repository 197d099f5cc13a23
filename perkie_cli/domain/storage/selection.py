"""Which stored objects are meant, and how much that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from perkie_cli.domain.pictures.cache_key import parse_name

AREAS = ("cutouts", "generated/customers", "generated/temp", "originals/customers", "originals/temp", "shared")
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Selection:
    """Objects that meet every condition given; no condition means all of them.

    ``hash`` is the hash of the upload or the beginning of it; ``touched_until`` includes its own instant;
    ``larger_than`` is in bytes and excludes its own size.
    """

    prefix: str = ""
    hash: str | None = None
    style: str | None = None
    touched_until: datetime | None = None
    larger_than: int | None = None

    def matches(self, key: str, size: int, touched: datetime) -> bool:
        """The rule itself, which stores with an index may answer in their own language."""
        hash_, style = parse_name(key)
        return (
            key.startswith(self.prefix)
            and (self.hash is None or hash_.startswith(self.hash))
            and (self.style is None or style == self.style)
            and (self.touched_until is None or touched <= self.touched_until)
            and (self.larger_than is None or size > self.larger_than)
        )


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Tally:
    """How many objects, how many bytes, and when the one unused for longest was last used."""

    count: int = 0
    bytes: int = 0
    oldest: datetime | None = None

    def __add__(self, other: Tally) -> Tally:
        times = [time for time in (self.oldest, other.oldest) if time is not None]
        return Tally(self.count + other.count, self.bytes + other.bytes, min(times, default=None))


def total(tallies: Mapping[str, Tally]) -> Tally:
    """All areas together."""
    return sum(tallies.values(), Tally())


def area_of(key: str) -> str:
    """The part of the layout that a key lies in: each has its own lifetime."""
    return next((area for area in AREAS if key.startswith(f"{area}/")), OTHER)
