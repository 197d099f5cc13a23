"""How long something lately took, so that as much time can be kept for it."""

from __future__ import annotations

from collections import deque

KEPT = 8  # of the last times, the longest counts
MARGIN = 1.5


class Pace:
    """Of one kind of work."""

    def __init__(self) -> None:
        self._took: deque[float] = deque(maxlen=KEPT)

    def took(self, seconds: float) -> None:
        """Notes how long it took, or how long it had run when it was given up."""
        self._took.append(seconds)

    def expected(self) -> float:
        """Seconds that it may take the next time, with a margin; 0 while nothing is known."""
        return MARGIN * max(self._took, default=0.0)
