"""Worker pools behind ``ports.Workers``: threads for work that frees the GIL, processes for whole drawings."""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from perkie_cli.domain.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


class PoolWorkers:
    """Runs functions on an executor: so many at a time, the rest wait in order."""

    def __init__(self, make: Callable[[], Executor]) -> None:
        self._make = make
        self._executor: Executor | None = None  # made at first use: most commands never need it

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises: whatever ``function`` raises; Unavailable when a worker process died."""
        executor = self._executor = self._executor or self._make()
        call = functools.partial(function, *args, **kwargs)
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, call)
        except BrokenProcessPool as error:
            if self._executor is executor:  # all who waited get here; one that comes later may have a new pool already
                self._executor = None
            raise Unavailable("a worker process died (out of memory?)", hint="Use fewer jobs.") from error

    def close(self) -> None:
        """Waits for running work and drops what is queued."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None


def thread_workers(count: int) -> PoolWorkers:
    """For work that frees the GIL: codec, hashing, ONNX Runtime."""
    return PoolWorkers(lambda: ThreadPoolExecutor(count, thread_name_prefix="perkie-worker"))


class _ShieldedPool(ProcessPoolExecutor):
    """Its processes never see Ctrl-C or a SIGTERM to the whole group: who made them sees their work through."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """May start a process, which inherits the mask of blocked signals; here they come through right after."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def process_workers(count: int) -> PoolWorkers:
    """For whole drawings: OpenCV calls are too short for threads to gain. Started fresh, since a fork copies locks."""
    context = multiprocessing.get_context("spawn")
    return PoolWorkers(lambda: _ShieldedPool(count, mp_context=context, initializer=_begin_process))


def _begin_process() -> None:
    """The processes are the parallelism: threads inside each would only fight over the cores."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2

    cv2.setNumThreads(1)


def _end_with_parent() -> None:
    """A parent that was killed cannot close its pool; each process also holds the pipe open for the others."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "this runs in a child"
    parent.join()
    os._exit(1)
