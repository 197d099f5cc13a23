"""What happened on one day: the numbers of the daily digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from perkie_cli.domain.events import PictureEnded
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.report import Forecast, SpendTotal
from perkie_cli.domain.runs import Run

FOUND = frozenset({"hit", "shared", "near", "joined"})


@dataclass(slots=True)
class Served:
    """Pictures that a server was asked for, by its log."""

    by_cache: Counter[str] = field(default_factory=Counter)  # of those that somebody got
    by_style: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)  # codes of errors
    degraded: int = 0

    def count(self, event: PictureEnded) -> None:
        """Adds one picture."""
        if event.outcome not in ("ok", "degraded"):
            self.failures[event.outcome] += 1
            return
        self.by_cache[event.cache] += 1
        self.by_style[event.style] += 1
        self.degraded += event.outcome == "degraded"

    @property
    def pictures(self) -> int:
        """How many somebody got."""
        return self.by_cache.total()

    @property
    def found(self) -> int:
        """How many of them nothing had to be drawn for."""
        return sum(self.by_cache[outcome] for outcome in FOUND)


def served(events: Iterable[PictureEnded]) -> Served | None:
    """The sum of the events; None if there are none."""
    sums = Served()
    some = False
    for event in events:
        sums.count(event)
        some = True
    return sums if some else None


@frozen
class Digest:
    """One UTC day. ``drawn`` counts pictures that came into the cache, by style and engine; ``used_again`` older ones
    that somebody got; ``failures`` those of ``runs`` over many photos, by code; ``served`` is None without a log.
    """

    day: date
    spent: SpendTotal
    by_style: Mapping[str, SpendTotal]
    cap: Decimal
    ahead: Forecast
    drawn: Mapping[tuple[str, str], int]
    substitutes: int
    used_again: int
    runs: tuple[Run, ...]
    failures: Mapping[str, int]
    changes: int  # that the audit file of this machine has
    served: Served | None

    def drawn_by(self, place: int) -> Counter[str]:
        """The drawn pictures by style (0) or engine (1)."""
        sums: Counter[str] = Counter()
        for key, count in self.drawn.items():
            sums[key[place]] += count
        return sums
