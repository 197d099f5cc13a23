"""Keeps within what an upstream allows: requests and tokens a minute, requests a day, calls at a time; and gives way
when it says 429.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from perkie_cli.domain.days import PACIFIC, next_midnight
from perkie_cli.domain.errors import AtCapacity
from perkie_cli.domain.units import format_duration
from perkie_cli.ports import Clock

MINUTE = 60.0
BUSY_RETRY_AFTER = 5.0  # seconds: about one generation, after which a place is free


@dataclass(frozen=True, slots=True)
class UpstreamPolicy:
    """What the upstream allows; unset means unlimited. ``timezone`` is where its day begins."""

    per_minute: int = sys.maxsize
    tokens_per_minute: int = sys.maxsize
    tokens_a_call: int = 10_000
    per_day: int = sys.maxsize
    concurrent: int = sys.maxsize
    timezone: str = PACIFIC
    overload_factor: float = 2.0


class UpstreamLimits:
    """Counts in this process. A call over a limit is refused at once: waiting is the ladder's business, not ours.

    The throttle is client-side adaptive throttling (Beyer et al., Site Reliability Engineering, ch. 21): once fewer
    than 1 in ``overload_factor`` calls of a minute are accepted, calls are refused here with the probability that
    keeps it so.
    """

    def __init__(self, upstream: str, clock: Clock, rng: random.Random, policy: UpstreamPolicy | None = None) -> None:
        self.upstream = upstream
        self._clock = clock
        self._rng = rng
        self._policy = policy or UpstreamPolicy()
        self._calls: deque[float] = deque()
        self._asked: deque[float] = deque()
        self._overloaded: deque[float] = deque()  # asked and refused, by the upstream or here
        self._quiet_until = 0.0  # as the upstream told with its last 429
        self._running = 0
        self._today = 0
        self._day_ends = datetime.min.replace(tzinfo=clock.now().tzinfo)

    @contextmanager
    def place(self, *, sure: bool = False, patient: bool = False) -> Iterator[None]:
        """Holds one of the concurrent places for a call.

        ``sure``: the upstream told when to come again, and that time is over; ``patient``: it can wait for that time.
        Neither is thinned out by chance.

        Raises: AtCapacity, with the seconds after which to try again.
        """
        now = self._clock.monotonic()
        self._forget_before(now - MINUTE)
        self._check(now)
        if patient and now < self._quiet_until:
            raise self._refusal("calls before the time that the upstream told", self._quiet_until - now)
        if sure or patient:
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
        """Notes that the upstream refused a call with 429, and for how many seconds it wants to be left alone."""
        now = self._clock.monotonic()
        self._overloaded.append(now)
        self._quiet_until = max(self._quiet_until, now + (retry_after or 0.0))

    @property
    def running(self) -> int:
        """Calls under way."""
        return self._running

    def _check(self, now: float) -> None:
        if self._running >= self._policy.concurrent:
            raise self._refusal("calls at a time", BUSY_RETRY_AFTER)
        allowed = min(self._policy.per_minute, self._policy.tokens_per_minute // self._policy.tokens_a_call)
        if len(self._calls) >= allowed:
            raise self._refusal("calls a minute", self._calls[0] + MINUTE - now)
        if self._used_today() >= self._policy.per_day:
            raise self._refusal("calls a day", (self._day_ends - self._clock.now()).total_seconds())

    def _throttle(self, now: float) -> None:
        asked = len(self._asked)
        accepted = max(0, asked - len(self._overloaded))  # a late 429 outlives the call that it answered
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
            f"the limit of {what} towards {self.upstream} is reached",
            hint=f"Try again in {format_duration(retry_after)}.",
            retry_after=retry_after,
        )
