"""Waiting and cancelling, the same everywhere. Only code that shares a task among callers creates tasks itself.

- ``within`` and ``finished_within`` a deadline, or a ``time_limit`` around a block;
- ``begin`` what nobody waits for;
- ``uninterrupted``, ``finished`` and ``finish_in_thread``: run to the end even if the waiter is cancelled;
- ``alongside`` a block, ``first_of`` several, ``as_they_end``: tasks that are stopped when the block ends.

Durations here are in seconds; settings and ``http`` use timedeltas. Use a ``Deadline`` where the remaining time is
passed on to further calls. A time limit is strict: work that still runs at its end is cancelled.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import DeadlineExceeded
from perkie_cli.ports import Clock

K = TypeVar("K")
P = ParamSpec("P")
T = TypeVar("T")

CLEANUP = 0.5  # seconds after a deadline that cancelled work gets to clean up


class Limit:
    """A running time limit; ``expired`` distinguishes it from a ``TimeoutError`` raised by the body."""

    def __init__(self, scope: asyncio.Timeout, clock: Clock) -> None:
        self._scope = scope
        self._clock = clock
        self._cancel_alarm: Callable[[], None] | None = None
        self.expired = scope.expired

    def restart(self, seconds: float) -> None:
        """The limit is ``seconds`` from now."""
        self.lift()
        if not math.isinf(seconds):
            self._cancel_alarm = self._clock.alarm(seconds, self._ring)

    def lift(self) -> None:
        """There is no limit any more."""
        if self._cancel_alarm is not None:
            self._cancel_alarm()
            self._cancel_alarm = None

    def _ring(self) -> None:
        self._scope.reschedule(asyncio.get_running_loop().time())


@asynccontextmanager
async def time_limit(seconds: float, clock: Clock) -> AsyncIterator[Limit]:
    """Cancels the body once ``seconds`` have passed on the clock and raises ``TimeoutError`` in its place.

    A timeout per socket read is not enough: a server that sends a byte per second never reaches it.
    """
    async with asyncio.timeout(None) as scope:
        limit = Limit(scope, clock)
        limit.restart(seconds)
        try:
            yield limit
        finally:
            limit.lift()


async def within(deadline: Deadline, clock: Clock, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is cancelled when the deadline passes or the caller is cancelled.

    Its clean-up is awaited. After the deadline for ``CLEANUP`` at most, since it may hang for the same reason as the
    work did; it then continues in the background.

    Raises: DeadlineExceeded, and what ``work`` raises.
    """
    task = begin(work)
    try:
        async with time_limit(deadline.remaining(clock.monotonic()), clock):
            await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])
        raise
    except TimeoutError:
        task.cancel()
        await asyncio.wait([task], timeout=CLEANUP)
    if task.done() and not task.cancelled():
        return task.result()
    raise DeadlineExceeded(f"no answer within {deadline.total:g} s", hint="Try again, or give it more time.")


async def finished_within(deadline: Deadline, clock: Clock, work: Coroutine[Any, Any, T]) -> T:
    """``within``, but work that ends in spite of its cancellation gives its result.

    The caller's cancellation is then delivered at its next await: see ``finished``.
    """
    results: list[T] = []

    async def kept() -> None:  # a task that is cancelled as it ends has no result of its own
        results.append(await work)

    try:
        await within(deadline, clock, kept())
    except asyncio.CancelledError:
        if not results:
            raise
        if (caller := asyncio.current_task()) is not None:
            caller.cancel()
    except DeadlineExceeded:
        if not results:
            raise
    return results[0]


_under_way: set[asyncio.Task[Any]] = set()  # asyncio itself holds only weak references to tasks


def begin(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that may outlive its waiter: it is not garbage collected, and its error causes no asyncio warning."""
    task = asyncio.get_running_loop().create_task(work)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return task


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``; a cancellation is delivered only after it has ended.

    Raises: what ``work`` raises; CancelledError when cancelled meanwhile (it wins over the work's own error).
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # marks it as retrieved: the waiter gets the cancellation instead
        raise cancelled
    return task.result()


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which runs to its end even if the caller is cancelled meanwhile.

    The cancellation is delivered at the caller's next await, so that a written output is also recorded and reported.

    Raises: what ``work`` raises.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if (caller := asyncio.current_task()) is not None:
            caller.cancel()
        return task.result()


async def finish_in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs ``function`` in a thread to its end: ``finished``."""
    return await finished(asyncio.to_thread(function, *args, **kwargs))


async def stop(*tasks: asyncio.Future[Any]) -> None:
    """Cancels the tasks and waits until each has cleaned up and ended; their errors are dropped."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:  # one turn of the loop for all of them, none where all have ended
        await asyncio.wait(running)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio does not warn of it


@asynccontextmanager
async def alongside(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Runs ``work`` alongside the block; it is stopped when the block ends."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield task
    finally:
        await stop(task)


async def first_of(*tasks: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Returns when one of the tasks has ended or ``seconds`` have passed. It does not stop any."""
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


async def as_they_end(
    works: Iterable[tuple[K, Coroutine[Any, Any, T]]],
) -> AsyncGenerator[tuple[K, asyncio.Task[T]], None]:
    """Runs all concurrently and yields each name with its ended task. Closing the iterator stops the rest."""
    loop = asyncio.get_running_loop()
    tasks = {loop.create_task(work): name for name, work in works}
    try:
        while tasks:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield tasks.pop(task), task
    finally:
        await stop(*tasks)
