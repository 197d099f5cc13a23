"""What is tried again, how often and after how long: the retry table as data, and the rules of time around it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import (
    BadAnswer,
    PerkieError,
    SafetyBlock,
    UpstreamBroken,
    UpstreamFault,
    UpstreamOverloaded,
)


@dataclass(frozen=True, slots=True)
class RetryRule:
    """One row: ``attempts`` in all after such a failure, the longest ``waits`` (s) before the second, third, ….

    ``told``: wait as long as the upstream said, or do not retry.
    """

    failure: type[PerkieError]
    attempts: int
    waits: tuple[float, ...] = (0.0,)
    told: bool = False


# The first row that fits counts, so special kinds stand before general ones; what fits none is not retried.
# After a safety block the guard asks with the style's safe prompt.
RETRY_TABLE = (
    RetryRule(SafetyBlock, attempts=2),
    RetryRule(UpstreamOverloaded, attempts=2, told=True),
    RetryRule(UpstreamBroken, attempts=2, waits=(5.0,)),
    RetryRule(BadAnswer, attempts=2, waits=(5.0,)),
    RetryRule(UpstreamFault, attempts=3, waits=(2.0, 5.0)),  # timeout, connection, 502/503/504, unreadable answer
)


@dataclass(frozen=True, slots=True)
class TimeRules:
    """How one deadline is shared out, in seconds.

    ``reserve`` is kept for what comes after a failure (a fifth of deadlines too short for that); a retry starts only
    when ``least_for_retry``, or a third of the deadline where that is less, would be left for it. Without a deadline
    too, nobody waits longer than ``wait_at_most`` for a retry.
    """

    attempt_at_most: float = 40.0
    reserve: float = 3.0
    least_for_retry: float = 10.0
    wait_at_most: float = 60.0

    def for_attempt(self, deadline: Deadline, now: float) -> float:
        """How long an attempt that starts now may take; 0 when there is no time."""
        return max(0.0, min(self.attempt_at_most, self._left(deadline, now)))

    def longest_wait(self, deadline: Deadline, now: float) -> float:
        """The longest pause after which a retry would still have its time; negative when there is none."""
        return min(self.wait_at_most, self._left(deadline, now) - min(self.least_for_retry, deadline.total / 3))

    def _left(self, deadline: Deadline, now: float) -> float:
        return deadline.remaining(now) - min(self.reserve, deadline.total / 5)


def wait_before_retry(error: PerkieError, failed: int, longest: float, rng: random.Random) -> float | None:
    """Seconds to wait after the ``failed``-th attempt ended with ``error``; None when there shall be no other.

    Full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), cut to ``longest``.
    """
    rule = next((rule for rule in RETRY_TABLE if isinstance(error, rule.failure)), None)
    if rule is None or failed >= rule.attempts or longest < 0:
        return None
    if rule.told:
        fits = error.retry_after is not None and error.retry_after <= longest
        return error.retry_after if fits else None
    longest_of_row = rule.waits[min(failed, len(rule.waits)) - 1]
    return min(rng.uniform(0.0, longest_of_row), longest)
