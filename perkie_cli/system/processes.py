"""Worker processes behind ``ports.Workers``, for whole drawings. Apart from the threads, which cost no such imports."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import ParamSpec, TypeVar

from perkie_cli.system.threads import PoolWorkers

P = ParamSpec("P")
T = TypeVar("T")


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
