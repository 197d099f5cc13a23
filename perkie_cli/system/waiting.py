"""Waiting and cancelling, the same everywhere. Only what shares one task among callers makes tasks by hand.

- ``within`` a deadline, or a ``time_limit`` around a block;
- ``uninterrupted`` and ``finish_in_thread``: to its end although the waiter is cancelled;
- ``alongside`` a block, ``first_of`` several, ``as_they_end``: tasks that are stopped when the block is left.

Durations here are seconds; settings and ``http`` hold timedeltas. A ``Deadline`` is for what hands the time that is
left to the next hop. A time limit is real: work that still runs when it passes is cancelled.
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

CLEANUP = 0.5  # seconds beyond a deadline that cancelled work gets to put things right


@asynccontextmanager
async def time_limit(seconds: float, clock: Clock) -> AsyncIterator[asyncio.Timeout]:
    """Cancels the body once ``seconds`` have passed on the clock and raises ``TimeoutError`` in its place.

    A timeout per socket read is no such limit: a server that drips a byte a second outlives it.
    ``expired()`` of the yielded scope tells this limit from a ``TimeoutError`` of the body's own.
    """
    if math.isinf(seconds):
        async with asyncio.timeout(None) as scope:
            yield scope
        return
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as scope:
        alarm = loop.create_task(_ring(scope, seconds, clock))
        try:
            yield scope
        finally:
            alarm.cancel()


async def _ring(scope: asyncio.Timeout, seconds: float, clock: Clock) -> None:
    await clock.sleep(seconds)
    scope.reschedule(asyncio.get_running_loop().time())


async def within(deadline: Deadline, clock: Clock, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is cancelled when the deadline passes, or its caller is.

    What it then does to put things right is waited for. Past the deadline not for longer than ``CLEANUP``, since it
    may hang for the same reason as the work did: it goes on by itself.

    Raises: DeadlineExceeded, and what ``work`` raises.
    """
    task = _held(work)
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


_under_way: set[asyncio.Task[Any]] = set()  # asyncio itself keeps no hold of a task


def _held(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that may outlive its waiter: it is not lost, and nobody is warned of an error that nobody saw."""
    task = asyncio.get_running_loop().create_task(work)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return task


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``; a cancellation in the meantime is delivered only after it has ended.

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
            task.exception()  # retrieved: the cancellation is what the waiter gets to see
        raise cancelled
    return task.result()


async def finish_in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of ``function``, run in a thread to its end and returned even if the caller is cancelled meanwhile.

    The cancellation is delivered at the caller's next await: an output that is written is also recorded and reported.

    Raises: what ``function`` raises.
    """
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if (caller := asyncio.current_task()) is not None:
            caller.cancel()
        return task.result()


async def stop(*tasks: asyncio.Future[Any]) -> None:
    """Cancels the tasks and waits until each has cleaned up and ended; what they raise is dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def alongside(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Runs ``work`` beside the block; whatever of it is left at the block's end is stopped."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield task
    finally:
        await stop(task)


async def first_of(*tasks: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Returns when one of the tasks has ended, or ``seconds`` have passed. It stops none of them."""
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


async def as_they_end(
    works: Iterable[tuple[K, Coroutine[Any, Any, T]]],
) -> AsyncGenerator[tuple[K, asyncio.Task[T]], None]:
    """Runs all side by side and yields each name with its ended task. Closing the stream stops the rest."""
    loop = asyncio.get_running_loop()
    tasks = {loop.create_task(work): name for name, work in works}
    try:
        while tasks:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield tasks.pop(task), task
    finally:
        await stop(*tasks)
