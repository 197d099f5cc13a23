"""A token bucket that keeps retries a small part of the traffic, so that an outage is not made worse by its victims."""

from __future__ import annotations

from dataclasses import dataclass

from perkie_cli.ports import Clock


@dataclass(frozen=True, slots=True)
class RetryBudgetPolicy:
    """``share`` of the requests may be retries, and ``floor_per_minute`` in any case."""

    share: float = 0.1
    floor_per_minute: float = 10.0

    @property
    def capacity(self) -> float:
        """Tokens that a quiet time saves up: a minute's worth of the floor."""
        return max(1.0, self.floor_per_minute)


class RetryBudget:
    """Requests and time fill the bucket, whichever gives more; a retry takes one token.

    After Finagle's ``RetryBudget`` (https://twitter.github.io/finagle/guide/Clients.html#retries), which adds the two.
    """

    def __init__(self, clock: Clock, policy: RetryBudgetPolicy | None = None) -> None:
        self._clock = clock
        self._policy = policy or RetryBudgetPolicy()
        self._tokens = self._policy.capacity
        self._requests = 0
        self._filled_at = clock.monotonic()

    def deposit(self) -> None:
        """Counts one request (not its retries)."""
        self._requests += 1

    def withdraw(self) -> bool:
        """Takes the token of one retry; False when there is none."""
        self._fill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    @property
    def tokens(self) -> float:
        """Retries that would be granted now, with fractions."""
        self._fill()
        return self._tokens

    def _fill(self) -> None:
        now = self._clock.monotonic()
        by_time = (now - self._filled_at) * self._policy.floor_per_minute / 60
        by_traffic = self._requests * self._policy.share
        self._tokens = min(self._policy.capacity, self._tokens + max(by_time, by_traffic))
        self._requests, self._filled_at = 0, now
