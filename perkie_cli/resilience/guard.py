"""Composes deadline, retries, retry budget, breaker and upstream limits around any call to one upstream."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import DeadlineExceeded, PerkieError, SafetyBlock, UpstreamOverloaded, UpstreamTimeout
from perkie_cli.domain.events import UpstreamCalled, UpstreamRetried
from perkie_cli.ports import Clock, EventSink
from perkie_cli.resilience.breaker import Breaker, Permit, Verdict
from perkie_cli.resilience.retry import TimeRules, wait_before_retry
from perkie_cli.resilience.retry_budget import RetryBudget
from perkie_cli.resilience.upstream_limits import UpstreamLimits
from perkie_cli.system.waiting import time_limit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: its number from 1, and whether to use the style's safe prompt."""

    number: int = 1
    safe: bool = False


class Guard:
    """One per upstream: breaker, limits and retry budget are shared by all calls through it."""

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
        self._clock = clock
        self._rng = rng
        self._retry_budget = retry_budget
        self._times = times
        self._events = events

    async def run(self, call: Callable[[Attempt], Awaitable[T]], deadline: Deadline) -> T:
        """The first good result of ``call`` within the deadline.

        Raises: the last attempt's error; AtCapacity, BreakerOpen or DeadlineExceeded when nothing could be sent.
        """
        self._retry_budget.deposit()
        attempt = Attempt()
        failure: PerkieError | None = None
        while True:
            try:
                permit = self.breaker.acquire()
                return await self._attempt(call, attempt, permit, deadline)
            except PerkieError as error:
                if not error.sent:
                    if failure is not None:  # prefer the upstream's own error over our refusal to ask again
                        raise failure from error
                    raise
                wait = None if permit.probe else self._wait(error, attempt, deadline)
                if wait is None:
                    raise
                failure = error
            await self._clock.sleep(wait)
            attempt = Attempt(attempt.number + 1, attempt.safe or isinstance(failure, SafetyBlock))

    def _wait(self, error: PerkieError, attempt: Attempt, deadline: Deadline) -> float | None:
        """Seconds until the next attempt, or None; takes a token of the retry budget when there shall be one."""
        longest = self._times.longest_wait(deadline, self._clock.monotonic())
        wait = wait_before_retry(error, attempt.number, longest, self._rng)
        if wait is None or not self._retry_budget.withdraw():
            return None
        self._events.emit(UpstreamRetried(self.breaker.upstream, error.code, wait))
        return wait

    async def _attempt(
        self, call: Callable[[Attempt], Awaitable[T]], attempt: Attempt, permit: Permit, deadline: Deadline
    ) -> T:
        verdict = Verdict.NONE
        outcome: str | None = "cancelled"  # None: nothing was sent
        try:
            with self.limits.place():
                result = await self._in_time(lambda: call(attempt), deadline)
        except PerkieError as error:
            verdict, outcome = (_verdict(error), error.code) if error.sent else (Verdict.NONE, None)
            if isinstance(error, UpstreamOverloaded):
                self.limits.overloaded()
            raise
        else:
            verdict, outcome = Verdict.GOOD, "ok"
            return result
        finally:
            self.breaker.report(permit, verdict)
            if outcome is not None:
                seconds = self._clock.monotonic() - permit.begun
                self._events.emit(UpstreamCalled(self.breaker.upstream, attempt.number, outcome, seconds))

    async def _in_time(self, work: Callable[[], Awaitable[T]], deadline: Deadline) -> T:
        seconds = self._times.for_attempt(deadline, self._clock.monotonic())
        if seconds <= 0:
            raise DeadlineExceeded(f"no time is left of the {deadline.total:g} s for {self.breaker.upstream}")
        scope: asyncio.Timeout | None = None
        try:
            async with time_limit(seconds, self._clock) as scope:
                return await work()
        except TimeoutError as error:
            if scope is None or not scope.expired():
                raise
            raise UpstreamTimeout(f"{self.breaker.upstream} did not answer within {seconds:.3g} s") from error


def _verdict(error: PerkieError) -> Verdict:
    """Being over the upstream's quota is the throttle's concern, not the breaker's."""
    if error.speaks_against is None:
        return Verdict.NONE
    return Verdict.FAULT if error.speaks_against else Verdict.GOOD
