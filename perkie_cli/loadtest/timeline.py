"""What happened in each second of the schedule, by the intended times."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

BINS = 8  # for each doubling of a latency: a bin is 9 % wide
SHORTEST = 1e-6  # seconds; the upper edge of bin 0
_BATCH = 4096
_MOST_BINS = 4096


@dataclass(slots=True)
class Second:
    """One second. ``bins``: the latencies of good answers by the number of their bin; ``top_of`` is its upper edge."""

    failed: int = 0
    skipped: int = 0
    bins: Counter[int] = field(default_factory=Counter)

    @property
    def ok(self) -> int:
        """Good answers."""
        return self.bins.total()

    def add(self, other: Second) -> None:
        """Merges another one."""
        self.failed += other.failed
        self.skipped += other.skipped
        self.bins += other.bins


class Timeline:
    """Every second in which something was due."""

    __slots__ = ("_latencies", "_seconds", "_times")

    def __init__(self, seconds: dict[int, Second] | None = None) -> None:
        self._seconds = seconds or {}
        self._times, self._latencies = array("d"), array("d")  # of good answers that are not counted yet

    def good(self, at: float, latency: float) -> None:
        """Adds a good answer to the request that was due at ``at``."""
        self._times.append(at)
        self._latencies.append(latency)
        if len(self._times) >= _BATCH:
            self._count_recent()

    def _count_recent(self) -> None:
        ratios = np.maximum(np.array(self._latencies), SHORTEST) / SHORTEST
        bins = np.ceil(np.log2(ratios) * BINS).astype(np.int64)
        keys = np.array(self._times).astype(np.int64) * _MOST_BINS + bins
        self._times, self._latencies = array("d"), array("d")
        for key, count in zip(*(each.tolist() for each in np.unique(keys, return_counts=True)), strict=True):
            self.second(key // _MOST_BINS).bins[key % _MOST_BINS] += count

    def second(self, at: float) -> Second:
        """The second of the schedule that ``at`` is in."""
        found = self._seconds.get(int(at))
        if found is None:
            found = self._seconds[int(at)] = Second()
        return found

    def __iter__(self) -> Iterator[tuple[int, Second]]:
        """In order."""
        if self._times:
            self._count_recent()
        return iter(sorted(self._seconds.items(), key=lambda row: row[0]))

    def add(self, other: Timeline) -> None:
        """Merges another one."""
        for at, second in other:
            self.second(at).add(second)

    def __reduce__(self) -> tuple[object, ...]:
        """On its way out of a worker process."""
        return Timeline, (dict(self),)


def top_of(number: int) -> float:
    """Seconds."""
    return SHORTEST * float(2 ** (number / BINS))
