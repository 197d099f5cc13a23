"""A point in monotonic time by which an answer is due; passed on to every call."""

from __future__ import annotations

import math
from dataclasses import replace

from perkie_cli.domain.frozen import frozen


@frozen
class Deadline:
    """``due`` and ``total`` in seconds on the clock's monotonic scale."""

    due: float
    total: float

    @classmethod
    def after(cls, seconds: float | None, now: float) -> Deadline:
        """``seconds`` from ``now`` (``clock.monotonic()``); None is never."""
        return cls.never() if seconds is None else cls(now + seconds, seconds)

    @classmethod
    def never(cls) -> Deadline:
        """No deadline: on the command line the user decides when to stop."""
        return cls(math.inf, math.inf)

    def later(self, seconds: float) -> Deadline:
        """This deadline, extended by ``seconds``."""
        return replace(self, due=self.due + seconds)

    def remaining(self, now: float) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.due - now)
