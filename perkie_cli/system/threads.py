"""Thread pools behind ``ports.Workers``, for work that releases the GIL. ``processes`` has worker processes."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ParamSpec, TypeVar

from perkie_cli.domain.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

REST_EVERY = 2.0  # seconds
GRACE = 0.5  # seconds
_OURS = "perkie-"  # also the threads of SQLite files
_NAME = f"{_OURS}worker"


class ThreadWorkers:
    """Runs functions in threads: a fixed number at a time, the rest wait in order."""

    def __init__(self, count: int, rest: Callable[[], object] | None = None, rest_every: float = REST_EVERY) -> None:
        """``rest`` runs in the pool when it has become idle, every ``rest_every`` seconds at most."""
        self._count = count
        self._rest = rest
        self._rest_every = rest_every
        self._rested = 0.0
        self._running = 0
        self._executor: ThreadPoolExecutor | None = None  # made at first use: most commands never need it
        self._closed = False

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``function`` in the pool and gives its result.

        Raises: whatever ``function`` raises; Unavailable when the pool was closed before it began.
        """
        if self._closed:
            raise _closed()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._count, thread_name_prefix=_NAME)
        call = functools.partial(function, *args, **kwargs)
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except asyncio.CancelledError:
            if self._dropped():  # whoever waits for an answer must learn of it
                raise _closed() from None
            raise
        finally:
            self._running -= 1
            self._have_rest()

    def _dropped(self) -> bool:
        """Whether a call that was cancelled was so by ``close``, and not its waiter."""
        task = asyncio.current_task()
        return self._closed and task is not None and not task.cancelling()

    def _have_rest(self) -> None:
        if self._rest is None or self._running or self._executor is None:
            return
        now = time.monotonic()
        if now - self._rested >= self._rest_every:
            self._rested = now
            self._executor.submit(self._rest)

    def renew(self) -> None:
        """Leaves functions that hang to themselves; what is queued and later calls get new threads.

        For a batch only: in a server, each hanging request would add threads.
        """
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None

    def close(self) -> None:
        """Waits for running work and drops what is queued; nothing more is taken."""
        self._closed = True
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None


def thread_workers(count: int, rest: Callable[[], object] | None = None) -> ThreadWorkers:
    """A pool for work that releases the GIL: codec, hashing, ONNX Runtime. ``rest`` as for ``ThreadWorkers``."""
    return ThreadWorkers(count, rest)


async def in_own_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs ``function`` in a thread that nothing waits for once the caller is cancelled: a pipe may never end.

    Raises: whatever ``function`` raises.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lambda: None if ended.done() else settle())

    def work() -> None:
        try:
            result = function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001  # it is raised where it is awaited
            tell(functools.partial(ended.set_exception, error))
        else:
            tell(functools.partial(ended.set_result, result))

    threading.Thread(target=work, name=f"{_OURS}reader", daemon=True).start()
    return await ended


def _closed() -> Unavailable:
    return Unavailable("this process is ending: its worker threads take no more work")


def any_hanging() -> bool:
    """Whether a worker thread still runs, after all pools were closed: the process would wait for it for ever.

    Those that are about to end get ``GRACE`` seconds.
    """
    due = time.monotonic() + GRACE
    ours = [thread for thread in threading.enumerate() if thread.name.startswith(_OURS)]
    for thread in ours:
        thread.join(max(0.0, due - time.monotonic()))
    return any(thread.is_alive() for thread in ours)
