"""An event loop whose time stands still while anything is at work, and jumps to the next timer when nothing is.

So tests over real sockets and threads run with the deadlines of production, in no time, and alike on every machine: a
starved one takes longer, and no timer notices. What is late by this time waited for something that no deadline bounds.

After trio's ``MockClock(autojump_threshold=…)`` (https://trio.readthedocs.io/en/stable/reference-testing.html).
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from perkie_cli.system.clock import SystemClock
from tests.clock import START

# Real seconds for the kernel to deliver what was sent over loopback: far more where a jump would end a time limit.
SETTLE, SETTLE_LONG = 0.002, 0.25
LONG_JUMP = 10.0  # seconds
TRIES = 20  # of a machine that is too busy to wait in time


class _Selector(selectors.DefaultSelector):
    """``jobs``: calls that are with worker threads or processes; ``now``: the loop's time."""

    jobs = 0
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self.jobs or timeout is None:
            return super().select(None)  # the end of a job wakes the loop
        events = self._settled(SETTLE_LONG if timeout > LONG_JUMP else SETTLE)
        if not events:
            self.now += timeout
        return events

    def _settled(self, wait: float) -> list[tuple[selectors.SelectorKey, int]]:
        """What came within ``wait`` real seconds. A wait that was itself late says that the machine is busy: again."""
        for _ in range(TRIES):
            began = time.monotonic()
            if (events := super().select(wait)) or time.monotonic() - began < 2 * wait:
                return events
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """For tests; everything that is not asyncio's own timers (sockets, threads, files) is real."""

    def __init__(self) -> None:
        self._times = _Selector()
        self._threads = ThreadPoolExecutor(4)
        super().__init__(self._times)

    def time(self) -> float:
        return self._times.now

    def run_in_executor(  # type: ignore[override]  # typeshed's is generic over the arguments
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """A job counts until it has really ended, also when nobody waits for it any more."""
        self._times.jobs += 1
        job = (executor or self._threads).submit(func, *args)
        answer = asyncio.wrap_future(job, loop=self)
        job.add_done_callback(self._ended)  # after the answer's own callback, so that time waits for that too
        return answer

    def _ended(self, _: Future[Any]) -> None:
        if not self.is_closed():
            self.call_soon_threadsafe(self._count_down)

    def _count_down(self) -> None:
        self._times.jobs -= 1

    def close(self) -> None:
        self._threads.shutdown()
        super().close()


class LoopClock(SystemClock):
    """``ports.Clock`` by the time of the loop that runs when it is made; its threads may ask it too."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return self._loop.time()
