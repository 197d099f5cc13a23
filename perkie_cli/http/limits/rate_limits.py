"""Rate limits on expensive routes, and their headers.

``RateLimit`` and ``RateLimit-Policy`` follow draft-ietf-httpapi-ratelimit-headers. The limits are per server process:
with N instances behind a load balancer a client may get up to N times as much.
"""

from __future__ import annotations

import math

from perkie_cli.domain.errors import RateLimited
from perkie_cli.domain.frozen import frozen
from perkie_cli.http.limits.gcra import Allowance, Gcra, Rate


@frozen
class RateOutcome:
    """``headers`` belong on every answer; ``error`` is to be raised when the request is over a limit.

    ``tightest``: the limit with the smallest remainder; None if no limit counts the request. ``refused_by``: the name
    of the limit that it is over.
    """

    headers: dict[str, str]
    error: RateLimited | None
    tightest: tuple[Rate, Allowance] | None
    refused_by: str | None = None


class RateLimiter:
    """Named limits, each with its own keys. A request passes if every limit that it has a key for allows it."""

    def __init__(self, rates: dict[str, Rate]) -> None:
        self._limits = {name: Gcra(rate) for name, rate in rates.items()}

    def check(self, keys: dict[str, str], now: float) -> RateOutcome:
        """Checks a request. ``keys`` maps a limit's name to its key. Either all limits count the request or none."""
        limits = {name: limit for name, limit in self._limits.items() if name in keys}
        verdicts = {name: limit.peek(keys[name], now) for name, limit in limits.items()}
        if all(verdict.allowed for verdict in verdicts.values()):
            verdicts = {name: limit.take(keys[name], now) for name, limit in limits.items()}
        headers = self._headers(verdicts)
        refused = {name: verdict for name, verdict in verdicts.items() if not verdict.allowed}
        if refused:
            name, verdict = max(refused.items(), key=lambda item: item[1].retry_after)
            return RateOutcome(headers, self._error(name, verdict), (self._limits[name].rate, verdict), name)
        if not verdicts:
            return RateOutcome(headers, None, None)
        name, verdict = min(verdicts.items(), key=lambda item: item[1].remaining)
        return RateOutcome(headers, None, (self._limits[name].rate, verdict))

    def _error(self, name: str, verdict: Allowance) -> RateLimited:
        rate = self._limits[name].rate
        return RateLimited(
            f"too many requests by this {name}: at most {rate.count} in {rate.period:g} s, and {rate.burst} at once",
            hint="Wait for the time in Retry-After.",
            retry_after=verdict.retry_after,
        )

    def _headers(self, verdicts: dict[str, Allowance]) -> dict[str, str]:
        if not verdicts:
            return {}
        rates = {name: self._limits[name].rate for name in verdicts}
        policy = (f'"{name}";q={rate.count};w={rate.period:g}' for name, rate in rates.items())
        state = (f'"{n}";r={v.remaining};t={math.ceil(v.retry_after or v.reset_after)}' for n, v in verdicts.items())
        return {"RateLimit-Policy": ", ".join(policy), "RateLimit": ", ".join(state)}
