"""Recent durations of some work, to reserve enough time for it."""

from __future__ import annotations

from collections import deque

KEPT = 8  # the longest of the last durations counts
MARGIN = 1.5


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
