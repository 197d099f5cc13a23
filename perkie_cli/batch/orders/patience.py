"""Asks again where a passing fault would cost a day: the next run may be far, and answers live for two days only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from perkie_cli.domain.errors import UnexpectedAnswer, UpstreamFault
from perkie_cli.ports import Clock

T = TypeVar("T")
WAITS = (5.0, 20.0)  # seconds before the second and third attempt


async def patiently(clock: Clock, call: Callable[[], Awaitable[T]]) -> T:
    """The result of a call that may be repeated: faults of the upstream are waited out. Raises: the last one."""
    for wait in WAITS:
        try:
            return await call()
        except UnexpectedAnswer:
            raise
        except UpstreamFault as error:
            await clock.sleep(error.retry_after or wait)
    return await call()
