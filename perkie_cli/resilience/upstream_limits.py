"""Enforces an upstream's limits: requests and tokens per minute, requests per day, concurrent calls. Slows down after
a 429.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from perkie_cli.domain.days import PACIFIC, next_midnight
from perkie_cli.domain.errors import AtCapacity
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.units import format_duration
from perkie_cli.ports import Clock

MINUTE = 60.0
BUSY_RETRY_AFTER = 5.0  # seconds: about one generation; a slot is free after that


@frozen
class UpstreamPolicy:
    """The upstream's limits; unset means unlimited. ``timezone`` is the time zone of its day."""

    per_minute: int = sys.maxsize
    tokens_per_minute: int = sys.maxsize
    tokens_a_call: int = 10_000
    per_day: int = sys.maxsize
    concurrent: int = sys.maxsize
    timezone: str = PACIFIC
    overload_factor: float = 2.0


class UpstreamLimits:
    """Counts calls in this process. A call over a limit is refused at once; waiting is left to the guard.

    The throttle is client-side adaptive throttling (Beyer et al., Site Reliability Engineering, ch. 21): when fewer
    than 1 in ``overload_factor`` calls of a minute are accepted, calls are refused here with the probability that
    maintains that ratio.
    """

    def __init__(self, upstream: str, clock: Clock, rng: random.Random, policy: UpstreamPolicy | None = None) -> None:
        self.upstream = upstream
        self._clock = clock
        self._rng = rng
        self._policy = policy or UpstreamPolicy()
        self._calls: deque[float] = deque()
        self._asked: deque[float] = deque()
        self._overloaded: deque[float] = deque()  # calls refused by the upstream or by the throttle
        self._quiet_until = 0.0  # set by the upstream's last 429
        self._running = 0
        self._today = 0
        self._day_ends = datetime.min.replace(tzinfo=clock.now().tzinfo)

    @contextmanager
    def slot(self, *, sure: bool = False, wait_for_quota: bool = False) -> Iterator[None]:
        """Holds a concurrency slot during a call.

        ``sure``: the time that the upstream asked to wait is over; ``wait_for_quota``: the call can wait for that time.
        The throttle never refuses these at random.

        Raises: AtCapacity, with the seconds after which to retry.
        """
        now = self._clock.monotonic()
        self._forget_before(now - MINUTE)
        self._check(now)
        if wait_for_quota and now < self._quiet_until:
            raise self._refusal("calls before the time set by the upstream", self._quiet_until - now)
        if sure or wait_for_quota:
            self._asked.append(now)
        else:
            self._throttle(now)
        self._calls.append(now)
        self._today += 1
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def overloaded(self, retry_after: float | None = None) -> None:
        """Records a 429 of the upstream, and for how many seconds it asked to wait."""
        now = self._clock.monotonic()
        self._overloaded.append(now)
        self._quiet_until = max(self._quiet_until, now + (retry_after or 0.0))

    @property
    def running(self) -> int:
        """The number of running calls."""
        return self._running

    def shares(self) -> Mapping[str, float]:
        """The used share of each limit, 0..1, by the setting's name; of those that are set."""
        self._forget_before(self._clock.monotonic() - MINUTE)
        policy, calls = self._policy, len(self._calls)
        used = {
            "calls_per_minute": (calls, policy.per_minute),
            "tokens_per_minute": (calls * policy.tokens_a_call, policy.tokens_per_minute),
            "calls_per_day": (self._used_today(), policy.per_day),
            "concurrent": (self._running, policy.concurrent),
        }
        return {name: count / limit for name, (count, limit) in used.items() if limit < sys.maxsize}

    def _check(self, now: float) -> None:
        if self._running >= self._policy.concurrent:
            raise self._refusal("concurrent calls", BUSY_RETRY_AFTER)
        allowed = min(self._policy.per_minute, self._policy.tokens_per_minute // self._policy.tokens_a_call)
        if len(self._calls) >= allowed:
            raise self._refusal("calls a minute", self._calls[0] + MINUTE - now)
        if self._used_today() >= self._policy.per_day:
            raise self._refusal("calls a day", (self._day_ends - self._clock.now()).total_seconds())

    def _throttle(self, now: float) -> None:
        asked = len(self._asked)
        accepted = max(0, asked - len(self._overloaded))  # a late 429 stays in the window longer than its call
        refusing = max(0.0, (asked - self._policy.overload_factor * accepted) / (asked + 1))
        self._asked.append(now)
        if self._rng.random() < refusing:
            self._overloaded.append(now)
            raise self._refusal("calls while the upstream is overloaded", BUSY_RETRY_AFTER)

    def _used_today(self) -> int:
        now = self._clock.now()
        if now >= self._day_ends:
            self._today, self._day_ends = 0, next_midnight(now, self._policy.timezone)
        return self._today

    def _forget_before(self, moment: float) -> None:
        for times in (self._calls, self._asked, self._overloaded):
            while times and times[0] <= moment:
                times.popleft()

    def _refusal(self, what: str, retry_after: float) -> AtCapacity:
        return AtCapacity(
            f"the limit of {what} to {self.upstream} is reached",
            hint=f"Try again in {format_duration(retry_after)}.",
            retry_after=retry_after,
        )
