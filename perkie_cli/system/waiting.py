"""Waiting for work: until a deadline, until it ends although its waiter is cancelled.

A time limit is real here: work that is still running when it passes is cancelled, not left behind.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import DeadlineExceeded
from perkie_cli.ports import Clock

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
