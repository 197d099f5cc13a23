"""The generic cell rate algorithm (ITU-T I.371): one timestamp per key, no counters, no windows."""

from __future__ import annotations

from collections import OrderedDict

from perkie_cli.domain.frozen import frozen


@frozen
class Rate:
    """``count`` requests per ``period`` seconds on average, ``burst`` of them at once."""

    count: int
    period: float
    burst: int

    @property
    def interval(self) -> float:
        """Seconds between two requests at the sustained rate."""
        return self.period / self.count


@frozen
class Allowance:
    """``remaining``: requests that would pass now; seconds until a retry passes and until the burst is full again."""

    allowed: bool
    remaining: int
    retry_after: float
    reset_after: float


class Gcra:
    """Keeps, for each key, the theoretical arrival time of the next conforming request.

    Up to ``keys`` of them are kept; the least recently used are evicted, which resets their limit.
    """

    def __init__(self, rate: Rate, keys: int = 100_000) -> None:
        self.rate = rate
        self._most = keys
        self._arrivals: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """The number of keys."""
        return len(self._arrivals)

    def peek(self, key: str, now: float) -> Allowance:
        """The allowance of a request at ``now`` (monotonic seconds), without counting it."""
        return self._verdict(self._arrivals.get(key, now), now)

    def take(self, key: str, now: float) -> Allowance:
        """Counts the request if it conforms; a refused one is not counted."""
        verdict = self._verdict(self._arrivals.get(key, now), now)
        if not verdict.allowed:
            return verdict
        arrival = max(now, self._arrivals.get(key, now)) + self.rate.interval
        self._arrivals[key] = arrival
        self._arrivals.move_to_end(key)
        if len(self._arrivals) > self._most:
            self._arrivals.popitem(last=False)
        after = self._verdict(arrival, now)
        return Allowance(True, after.remaining, 0.0, after.reset_after)

    def _verdict(self, arrival: float, now: float) -> Allowance:
        rate = self.rate
        ahead = max(0.0, arrival - now)
        room = rate.burst * rate.interval - ahead
        remaining = max(0, int(room / rate.interval + 1e-9))
        return Allowance(remaining > 0, remaining, max(0.0, rate.interval - room) if remaining == 0 else 0.0, ahead)
