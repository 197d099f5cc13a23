"""Recent durations of some work, to reserve enough time for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

KEPT = 8  # the longest of the last durations counts
MARGIN = 1.5  # durations vary
RECENT = 0.2  # share of the last duration in a mean


class Pace:
    """The recent durations of one kind of work."""

    def __init__(self) -> None:
        self._took: deque[float] = deque(maxlen=KEPT)

    def took(self, seconds: float) -> None:
        """Records how long the work took, or how long it ran before it was cancelled."""
        self._took.append(seconds)

    def expected(self) -> float:
        """Expected seconds for the next time, with a margin; 0 while nothing is known."""
        return MARGIN * max(self._took, default=0.0)


class MeanPaces:
    """The mean duration of each kind of work, recent ones counting more. 0 while nothing is known."""

    def __init__(self) -> None:
        self._means: dict[Hashable, float] = {}
        self._overall = 0.0

    def took(self, kind: Hashable, seconds: float, *, done: bool) -> None:
        """Records how long work took. What was not ``done`` counts if it shows that the work takes longer."""
        if done or seconds > self.expected(kind):
            self._means[kind] = _mean(self._means.get(kind), seconds)
            self._overall = _mean(self._overall or None, seconds)

    def expected(self, kind: Hashable) -> float:
        """Expected seconds; of an unknown kind, those of all kinds together."""
        return self._means.get(kind, self._overall)


def _mean(mean: float | None, seconds: float) -> float:
    return seconds if mean is None else mean + RECENT * (seconds - mean)
