"""Clocks for everything that takes ``ports.Clock``. ``tests/README.md`` says which one to take."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from perkie_cli.ports import Clock

T = TypeVar("T")

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TURNS = 30  # turns of the loop after which everything that can run without I/O has run


class SleepingClock(Clock):
    """Its alarms are tasks that ``sleep``."""

    def alarm(self, seconds: float, ring: Callable[[], None]) -> Callable[[], None]:
        async def sleep_and_ring() -> None:
            await self.sleep(seconds)
            ring()

        task = asyncio.get_running_loop().create_task(sleep_and_ring())

        def cancel() -> None:
            task.cancel()

        return cancel


class ManualClock(SleepingClock):
    """``sleep`` returns at once, having moved the time by as much; ``slept`` keeps the durations."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._passed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    def advance(self, by: timedelta | float) -> None:
        self._passed += by.total_seconds() if isinstance(by, timedelta) else by

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


class VirtualClock(SleepingClock):
    """Stands still until it is moved; ``drive`` runs a coroutine to its end, jumping from one wake-up to the next."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return 1000.0 + self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), future))
        await future

    def advance(self, seconds: float) -> None:
        """Moves the clock without waking anybody."""
        self._elapsed += seconds

    async def drive(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.get_running_loop().create_task(work)
        while True:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if task.done():
                return task.result()
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            assert self._sleepers, "the coroutine waits for something that is no sleep"
            when, _, future = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, when)
            future.set_result(None)
