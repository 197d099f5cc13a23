"""Worker processes behind ``ports.Workers``, for whole drawings. A module of its own: threads need no such imports."""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from typing import ParamSpec, TypeVar

from perkie_cli.domain.errors import Unavailable
from perkie_cli.system.imports import without_blas_threads
from perkie_cli.system.memory import keep

P = ParamSpec("P")
T = TypeVar("T")


class _Process(ProcessPoolExecutor):
    """One process. It ignores Ctrl-C and a SIGTERM to the process group: the parent decides when its work ends."""

    _executor_manager_thread: threading.Thread | None  # type: ignore[assignment]  # typeshed errs

    def __init__(self) -> None:
        super().__init__(1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_process)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submits with signals blocked: a new process inherits the mask, while this one unblocks them right after."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @property
    def usable(self) -> bool:
        """Whether it takes more work: it was not killed and did not die."""
        return not (self._broken or self._shutdown_thread)

    def kill(self) -> threading.Thread | None:
        """Ends the process at once, whatever it does. Gives the pool's thread, which ends with it."""
        thread = self._executor_manager_thread
        for process in list((self._processes or {}).values()):
            process.kill()
        self.shutdown(wait=False, cancel_futures=True)
        return thread


class ProcessWorkers:
    """Runs functions in processes, one at a time in each. One that dies or hangs costs its own function only."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._idle: list[_Process] = []  # started at first use
        self._ending: list[threading.Thread] = []  # of killed processes

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``function`` in a process and gives its result. Cancelling the wait kills the process.

        Raises: whatever ``function`` raises; Unavailable when the process died.
        """
        async with self._free:
            self._idle = [each for each in self._idle if each.usable]  # one may have died of something else
            process = self._idle.pop() if self._idle else _Process()
            call = functools.partial(function, *args, **kwargs)
            try:
                return await asyncio.get_running_loop().run_in_executor(process, call)
            except BrokenExecutor as error:
                raise Unavailable("its worker process died (out of memory?)", hint="Use fewer jobs.") from error
            except asyncio.CancelledError:
                self._ending = [each for each in (*self._ending, process.kill()) if each and each.is_alive()]
                raise
            finally:
                if process.usable:
                    self._idle.append(process)

    def close(self) -> None:
        """Ends the processes, and waits for those that were killed.

        Python's exit wakes the thread of each pool, also while it closes what it is woken by, and would print that.
        """
        while self._idle:
            self._idle.pop().shutdown(wait=True, cancel_futures=True)
        while self._ending:
            self._ending.pop().join()


def process_workers(count: int) -> ProcessWorkers:
    """Processes for whole drawings: OpenCV calls are too short for threads to help. Spawned: a fork copies locks."""
    return ProcessWorkers(count)


def _begin_process() -> None:
    """Sets up a worker: one thread each, since the processes already use all cores; and it draws again and again."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep()
    without_blas_threads()
    import cv2

    cv2.setNumThreads(1)


def _end_with_parent() -> None:
    """Exits when the parent dies: a killed parent cannot close its pool, and workers keep each other's pipe open."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "this runs in a child"
    parent.join()
    os._exit(1)
