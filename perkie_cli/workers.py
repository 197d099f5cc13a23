"""Worker pools behind ``ports.Workers``: threads for work that frees the GIL, processes for whole drawings."""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
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
        if self._executor is None:
            self._executor = self._make()
        call = functools.partial(function, *args, **kwargs)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except BrokenProcessPool as error:
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


def process_workers(count: int) -> PoolWorkers:
    """For whole drawings: OpenCV calls are too short for threads to gain. Started fresh, since a fork copies locks."""
    context = multiprocessing.get_context("spawn")
    return PoolWorkers(lambda: ProcessPoolExecutor(count, mp_context=context, initializer=_one_opencv_thread))


def _one_opencv_thread() -> None:
    """The processes are the parallelism: threads inside each would only fight over the cores."""
    import cv2

    cv2.setNumThreads(1)
