"""Combines deadline, retries, retry budget, breaker and upstream limits around any call to one upstream."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import (
    AtCapacity,
    BreakerOpen,
    PerkieError,
    SafetyBlock,
    UpstreamOverloaded,
    UpstreamTimeout,
)
from perkie_cli.domain.events import UpstreamCalled, UpstreamRetried, UpstreamSpared
from perkie_cli.domain.frozen import frozen
from perkie_cli.ports import Clock, EventSink, Sending
from perkie_cli.resilience.breaker import Breaker, Verdict
from perkie_cli.resilience.known_refusal import KnownRefusal
from perkie_cli.resilience.retry import MAX_QUOTA_WAIT, TimeRules, quota_wait, wait_before_retry
from perkie_cli.resilience.retry_budget import RetryBudget
from perkie_cli.resilience.upstream_limits import UpstreamLimits
from perkie_cli.resilience.wire import Wire
from perkie_cli.system.waiting import Limit, time_limit

T = TypeVar("T")


@frozen
class Attempt:
    """One attempt: its number from 1, and whether to use the style's safe prompt.

    ``sending`` is opened around the bytes to and from the upstream, and around nothing else.
    """

    number: int = 1
    safe: bool = False
    sending: Sending = nullcontext


@dataclass(slots=True)
class _Course:
    """The progress of one run."""

    wait_for_quota: bool
    attempt: Attempt = field(default_factory=Attempt)
    failure: PerkieError | None = None  # the error of the last attempt that was sent
    waited: float = 0.0  # seconds in total
    theirs: float = 0.0  # seconds of the deadline that the upstream had: its attempts, and waits for it
    probe: bool = False  # the last attempt was the breaker's probe

    @property
    def promised(self) -> bool:
        """Whether the upstream said when to retry: then our own throttle is skipped."""
        return isinstance(self.failure, UpstreamOverloaded)

    def retried(self, upstream: str, error: PerkieError, wait: float) -> UpstreamRetried:
        """The event of a retry after ``error``."""
        return UpstreamRetried(upstream, error.code, wait, self.attempt.number, self.waited, error.message)

    def go_on(self, error: PerkieError, wait: float) -> None:
        """Records that another attempt follows."""
        self.waited += wait
        self.theirs += wait
        if error.sent:
            self.failure = error
            self.attempt = Attempt(self.attempt.number + 1, self.attempt.safe or isinstance(error, SafetyBlock))


class Guard:
    """The guard of one upstream: all calls share its breaker, limits and retry budget."""

    def __init__(
        self,
        *,
        clock: Clock,
        rng: random.Random,
        breaker: Breaker,
        limits: UpstreamLimits,
        retry_budget: RetryBudget,
        times: TimeRules,
        events: EventSink,
    ) -> None:
        self.breaker = breaker
        self.limits = limits
        self.known_refusal = KnownRefusal(clock)
        self._clock = clock
        self._rng = rng
        self._retry_budget = retry_budget
        self._times = times
        self._events = events

    async def run(
        self,
        call: Callable[[Attempt], Awaitable[T]],
        deadline: Deadline,
        *,
        wait_for_quota: bool = False,
        aside: Sending = nullcontext,
    ) -> T:
        """The first successful result of ``call`` within the deadline.

        ``wait_for_quota``: wait instead of failing while the upstream's quota or our own limits are exhausted.
        ``aside`` is opened around waits between attempts.

        Raises: the last attempt's error; AtCapacity, BreakerOpen or DeadlineExceeded when nothing could be sent; a
        lasting refusal that an earlier call met.
        """
        self._retry_budget.deposit()
        course = _Course(wait_for_quota=wait_for_quota)
        while True:
            try:
                return await self._attempt(call, course, deadline)
            except PerkieError as error:
                wait = self._wait(error, course, deadline)
                if wait is None:
                    if not error.sent and course.failure is not None:
                        raise course.failure from error  # prefer the upstream's error over our own refusal
                    raise
                self._events.emit(course.retried(self.breaker.upstream, error, wait))
                course.go_on(error, wait)
            async with aside():
                await self._clock.sleep(wait)

    def check(self) -> None:
        """Checks whether a call could be sent now. Raises: the error that would prevent it."""
        self.known_refusal.check()
        self.breaker.check()

    def check_health(self) -> None:
        """Checks that calls pass, and not as probes only. Raises: the error that speaks against it."""
        self.known_refusal.check()
        self.breaker.check_closed()

    def _wait(self, error: PerkieError, course: _Course, deadline: Deadline) -> float | None:
        """Seconds until the next attempt, or None for no retry; takes a token from the retry budget for a retry."""
        now = self._clock.monotonic()
        if course.wait_for_quota and isinstance(error, (AtCapacity, UpstreamOverloaded)):
            longest = self._times.longest_wait(deadline, now, at_most=MAX_QUOTA_WAIT - course.waited)
            return quota_wait(error, course.waited, longest, self._rng)
        if not error.sent or course.probe:
            return None
        longest = self._times.longest_wait(deadline, now)
        wait = wait_before_retry(error, course.attempt.number, longest, self._rng)
        return wait if wait is not None and self._retry_budget.withdraw() else None

    async def _attempt(self, call: Callable[[Attempt], Awaitable[T]], course: _Course, deadline: Deadline) -> T:
        try:
            self.check()  # before our own work; the permit itself is taken when bytes go out
        except PerkieError as error:
            self._events.emit(UpstreamSpared(self.breaker.upstream, error.code))
            raise
        slot = partial(self.limits.slot, sure=course.promised, wait_for_quota=course.wait_for_quota)
        wire = Wire(self._clock, self._times, self.breaker, slot, deadline, course.theirs)
        verdict = Verdict.NONE
        outcome: str | None = "cancelled"  # None: nothing was sent
        try:
            result = await self._in_time(lambda: call(replace(course.attempt, sending=wire)), deadline, wire)
        except PerkieError as error:
            verdict, outcome = (_verdict(error, wire), error.code) if error.sent else (Verdict.NONE, None)
            if isinstance(error, BreakerOpen):  # since the check
                self._events.emit(UpstreamSpared(self.breaker.upstream, error.code))
            self._learn(error)
            raise
        else:
            verdict, outcome = Verdict.GOOD, "ok"
            return result
        finally:
            course.probe = wire.permit is not None and wire.permit.probe
            course.theirs += wire.seconds
            wire.report(verdict)
            if outcome is not None and wire.permit is not None:
                number = course.attempt.number
                self._events.emit(UpstreamCalled(self.breaker.upstream, number, outcome, wire.seconds))

    def _learn(self, error: PerkieError) -> None:
        """Remembers what other calls would meet too: lasting refusals and overload."""
        self.known_refusal.note(error)
        if isinstance(error, UpstreamOverloaded):
            self.limits.overloaded(error.retry_after)

    async def _in_time(self, work: Callable[[], Awaitable[T]], deadline: Deadline, wire: Wire) -> T:
        """Our own work before the upstream's part may take what the deadline leaves; ``wire`` then sets its limit."""
        limit: Limit | None = None
        try:
            async with time_limit(self._times.left(deadline, self._clock.monotonic()), self._clock) as limit:
                wire.limit = limit
                return await work()
        except TimeoutError as error:
            if limit is None or not limit.expired():
                raise
            raise wire.timeout() from error


def _verdict(error: PerkieError, wire: Wire) -> Verdict:
    """The breaker's verdict on an error. Upstream quotas are left to the throttle, and our own faults do not count, nor
    does a timeout after our own work had left too little of the deadline.
    """
    if error.speaks_against is None or (isinstance(error, UpstreamTimeout) and not wire.was_fair):
        return Verdict.NONE
    return Verdict.FAULT if error.speaks_against else Verdict.GOOD
