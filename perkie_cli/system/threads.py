"""Thread pools behind ``ports.Workers``, for work that releases the GIL. ``processes`` has the process pools."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from perkie_cli.domain.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


class PoolWorkers:
    """Runs functions on an executor: a fixed number at a time, the rest wait in order."""

    def __init__(self, make: Callable[[], Executor]) -> None:
        self._make = make
        self._executor: Executor | None = None  # made at first use: most commands never need it

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``function`` in the pool and gives its result.

        Raises: whatever ``function`` raises; Unavailable when a worker process died.
        """
        executor = self._executor = self._executor or self._make()
        call = functools.partial(function, *args, **kwargs)
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, call)
        except BrokenExecutor as error:
            if self._executor is executor:  # every waiter gets here; another one may have replaced the pool already
                self._executor = None
            raise Unavailable("a worker process died (out of memory?)", hint="Use fewer jobs.") from error

    def close(self) -> None:
        """Waits for running work and drops what is queued."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None


def thread_workers(count: int) -> PoolWorkers:
    """A pool for work that releases the GIL: codec, hashing, ONNX Runtime."""
    return PoolWorkers(lambda: ThreadPoolExecutor(count, thread_name_prefix="perkie-worker"))
