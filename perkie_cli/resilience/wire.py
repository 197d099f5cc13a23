"""The upstream's part of an attempt: from the first byte sent to the last one received.

What comes before (shrinking the photo, booking its price) and after (decoding the answer) waits in queues of ours. It
counts neither against the attempt's time limit nor for the breaker.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import DeadlineExceeded, PerkieError, UpstreamTimeout
from perkie_cli.ports import Clock
from perkie_cli.resilience.breaker import Breaker, Permit, Verdict
from perkie_cli.resilience.retry import TimeRules
from perkie_cli.system.waiting import Limit


class Wire:
    """One attempt's permit and times. ``limit``: the running time limit of the attempt, set by who runs it."""

    limit: Limit

    def __init__(
        self,
        clock: Clock,
        times: TimeRules,
        breaker: Breaker,
        slot: Callable[[], AbstractContextManager[None]],
        deadline: Deadline,
        theirs: float,
    ) -> None:
        """``theirs``: seconds that the upstream has already had of the deadline; ``slot`` takes a place among calls."""
        self._clock = clock
        self._times = times
        self._breaker = breaker
        self._slot = slot
        self._deadline = deadline
        self._theirs = theirs
        self._ours = self._given = 0.0
        self.permit: Permit | None = None  # None: nothing was sent
        self.seconds = 0.0  # of the upstream's part

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Opened by the engine, once, around sending and receiving.

        Raises: BreakerOpen, AtCapacity; DeadlineExceeded if our own work has left too little time for an answer.
        """
        began = self._clock.monotonic()
        self._given = self._times.for_attempt(self._deadline, began)
        if self._given <= self._times.least(self._deadline):
            raise self._too_late()
        if not math.isinf(self._deadline.total):
            self._ours = self._deadline.total - self._deadline.remaining(began) - self._theirs
        self.permit = self._breaker.acquire()
        try:
            with self._slot():
                self.limit.restart(self._given)
                yield
            self.limit.lift()  # an answer that was paid for is decoded, however long that takes
        finally:
            self.seconds = self._clock.monotonic() - began

    def report(self, verdict: Verdict) -> None:
        """Reports the attempt's result to the breaker, if it had a permit."""
        if self.permit is not None:
            self._breaker.report(self.permit, verdict, self.seconds)

    def timeout(self) -> PerkieError:
        """The error when the time limit has passed: the upstream's, or our own if nothing was sent."""
        if self.permit is None:
            return self._too_late()
        return UpstreamTimeout(f"{self._breaker.upstream} did not answer within {self._given:.3g} s")

    @property
    def was_fair(self) -> bool:
        """Whether the upstream got at least as much of the deadline as our own work had taken before."""
        return self._given >= self._ours

    def _too_late(self) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"of the {self._deadline.total:g} s too little was left to ask {self._breaker.upstream}"
        )
