"""Worker processes behind ``ports.Workers``, for whole drawings. A module of its own: threads need no such imports."""

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
    """Its processes ignore Ctrl-C and a SIGTERM to the process group: the parent decides when their work ends."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submits with signals blocked: a new process inherits the mask, while this one unblocks them right after."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def process_workers(count: int) -> PoolWorkers:
    """A pool for whole drawings: OpenCV calls are too short for threads to help. Spawned, since a fork copies locks."""
    context = multiprocessing.get_context("spawn")
    return PoolWorkers(lambda: _ShieldedPool(count, mp_context=context, initializer=_begin_process))


def _begin_process() -> None:
    """Sets up a worker: one thread each, since the processes already use all cores."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2

    cv2.setNumThreads(1)


def _end_with_parent() -> None:
    """Exits when the parent dies: a killed parent cannot close its pool, and workers keep each other's pipe open."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "this runs in a child"
    parent.join()
    os._exit(1)
