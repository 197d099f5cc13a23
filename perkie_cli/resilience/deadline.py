"""Makes a time limit real: work that is still running when it passes is cancelled, not left behind."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import DeadlineExceeded
from perkie_cli.ports import Clock


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


@asynccontextmanager
async def enforce(deadline: Deadline, clock: Clock) -> AsyncIterator[None]:
    """Cancels the body when the deadline passes.

    Raises: DeadlineExceeded.
    """
    scope: asyncio.Timeout | None = None
    try:
        async with time_limit(deadline.remaining(clock.monotonic()), clock) as scope:
            yield
    except TimeoutError as error:
        if scope is None or not scope.expired():
            raise
        raise DeadlineExceeded(
            f"no answer within {deadline.total:g} s", hint="Try again, or give it more time with --deadline."
        ) from error
