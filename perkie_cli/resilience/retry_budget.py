"""A token bucket that limits retries to a small part of the traffic, so that they do not make an outage worse."""

from __future__ import annotations

from perkie_cli.ports import Clock

SHARE = 0.1  # retries per request
FLOOR = 10.0  # retries per minute that are always allowed; also the bucket's capacity


class RetryBudget:
    """Requests or time fill the bucket, whichever adds more; a retry takes one token.

    After Finagle's ``RetryBudget`` (https://twitter.github.io/finagle/guide/Clients.html#retries), which adds both.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens = FLOOR
        self._requests = 0
        self._filled_at = clock.monotonic()

    def deposit(self) -> None:
        """Counts one request (not its retries)."""
        self._requests += 1

    def withdraw(self) -> bool:
        """Takes a token for one retry; False if there is none."""
        self._fill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _fill(self) -> None:
        now = self._clock.monotonic()
        by_time = (now - self._filled_at) * FLOOR / 60
        by_traffic = self._requests * SHARE
        self._tokens = min(FLOOR, self._tokens + max(by_time, by_traffic))
        self._requests, self._filled_at = 0, now
