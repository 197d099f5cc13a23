"""When a failed call is retried: each error defines how often and after how long; this module has the time rules.

After a safety block the guard retries with the style's safe prompt.
"""

from __future__ import annotations

import random

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.resilience.pace import Pace

MAX_QUOTA_WAIT = 600.0  # total seconds that one picture of a batch waits for quotas


@frozen
class TimeRules:
    """How one deadline is divided, in seconds.

    ``reserve`` is kept for the steps after a failure (a fifth of the deadline if that is shorter), or the recent
    duration of a ``substitute``, up to half of the deadline. A retry starts only if it has ``min_for_retry`` left, or a
    third of the deadline if that is shorter; with less than half of that nothing is sent at all. Even without a
    deadline no retry waits longer than ``max_wait``.
    """

    max_attempt: float = 40.0
    reserve: float = 3.0
    min_for_retry: float = 10.0
    max_wait: float = 60.0
    substitute: Pace | None = None

    def for_attempt(self, deadline: Deadline, now: float) -> float:
        """The maximum duration of an attempt that starts now; 0 when there is no time."""
        return max(0.0, min(self.max_attempt, self.left(deadline, now)))

    def longest_wait(self, deadline: Deadline, now: float, at_most: float | None = None) -> float:
        """The longest wait after which a retry would still have enough time; negative when there is none."""
        most = self.max_wait if at_most is None else at_most
        return min(most, self.left(deadline, now) - self._for_retry(deadline))

    def least(self, deadline: Deadline) -> float:
        """The time that an upstream needs to answer: with less, a call would be paid for nothing."""
        return self._for_retry(deadline) / 2

    def _for_retry(self, deadline: Deadline) -> float:
        return min(self.min_for_retry, deadline.total / 3)

    def left(self, deadline: Deadline, now: float) -> float:
        """Seconds until the steps after a failure have to begin; negative when it is too late."""
        kept = min(self.reserve, deadline.total / 5)
        needed = self.substitute.expected() if self.substitute is not None else 0.0
        return deadline.remaining(now) - max(kept, min(needed, deadline.total / 2))


def wait_before_retry(error: PerkieError, failed: int, longest: float, rng: random.Random) -> float | None:
    """Seconds to wait after the ``failed``-th attempt ended with ``error``; None for no retry.

    Full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), limited to ``longest``.
    """
    retry = error.retry
    if failed >= retry.attempts or longest < 0:
        return None
    if retry.advised and error.retry_after is not None:
        return error.retry_after if error.retry_after <= longest else None
    return min(rng.uniform(0.0, retry.waits[min(failed, len(retry.waits)) - 1]), longest)


def quota_wait(error: PerkieError, waited: float, longest: float, rng: random.Random) -> float | None:
    """Seconds to wait for a quota or limit, up to ``MAX_QUOTA_WAIT`` in total; None when that is used up.

    A little longer than advised, with jitter, so that not all waiters retry at the same moment.
    """
    advised = error.retry_after if error.retry_after is not None else max(5.0, waited)
    return None if advised > longest else advised + rng.uniform(0.0, 1.0)
