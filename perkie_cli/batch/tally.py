"""What a run has done so far: counts, dollars, failures by photo, speed. Progress and the summary are made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from perkie_cli.domain.errors import LimitReached, PerkieError
from perkie_cli.domain.runs import Status


@dataclass(slots=True)
class Tally:
    """``seconds`` since the run began. ``failures``: by photo, each of its errors once.

    ``kinds`` counts the errors' classes.
    """

    total: int
    usd: Decimal = Decimal(0)
    seconds: float = 0.0
    counts: Counter[Status] = field(default_factory=Counter)
    failures: dict[str, dict[str, PerkieError]] = field(default_factory=dict)
    kinds: Counter[type[PerkieError]] = field(default_factory=Counter)

    @property
    def ended(self) -> int:
        """The number of items that ended."""
        return self.counts.total()

    @property
    def rate(self) -> float:
        """Items a second; those that were there already do not count."""
        worked = self.ended - self.counts[Status.SKIPPED]
        return worked / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds until the end at this rate; None before the first item is done."""
        return (self.total - self.ended) / self.rate if self.rate > 0 else None

    def add(self, status: Status, source: str, error: PerkieError | None) -> bool:
        """Counts an item; whether its error is new for its photo."""
        self.counts[status] += 1
        if error is None:
            return False
        self.kinds[type(error)] += 1
        known = self.failures.setdefault(source, {})
        new = error.message not in known
        known.setdefault(error.message, error)
        return new

    @property
    def limited(self) -> int:
        """The failures by a quota, budget or cap."""
        return sum(count for kind, count in self.kinds.items() if issubclass(kind, LimitReached))

    def counted(self) -> Mapping[str, int]:
        """How many ended in which way, by name; zeros are left out."""
        return {status.value: self.counts[status] for status in Status if self.counts[status]}
