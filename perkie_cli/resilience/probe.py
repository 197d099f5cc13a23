"""Asks whether an upstream can be reached, seldom and never for a customer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from perkie_cli.domain.errors import PerkieError, UpstreamTimeout
from perkie_cli.ports import Clock
from perkie_cli.system.waiting import time_limit

FRESH = 30.0  # seconds for which an answer is not asked again
AGAIN = 5.0  # the same after a failure
WITHIN = 10.0  # seconds


class Probe:
    """Shares one question, and its answer for a while, among all who ask. A caller who leaves does not stop it."""

    def __init__(self, upstream: str, ask: Callable[[], Awaitable[None]], clock: Clock) -> None:
        self._upstream = upstream
        self._ask = ask
        self._clock = clock
        self._asking: asyncio.Task[PerkieError | None] | None = None
        self._stale_at = 0.0

    async def check(self) -> None:
        """Raises: the error that the last question ended with; UpstreamTimeout after ``WITHIN``."""
        if self._asking is None or (self._asking.done() and self._clock.monotonic() >= self._stale_at):
            self._asking = asyncio.get_running_loop().create_task(self._asked())
        if (error := await asyncio.shield(self._asking)) is not None:
            raise error

    async def aclose(self) -> None:
        """Stops a question that is still open."""
        if self._asking is not None:
            self._asking.cancel()

    async def _asked(self) -> PerkieError | None:
        error: PerkieError | None = None
        try:
            async with time_limit(WITHIN, self._clock):
                await self._ask()
        except PerkieError as failure:
            error = failure
        except TimeoutError:
            error = UpstreamTimeout(f"{self._upstream} did not answer within {WITHIN:g} s")
        self._stale_at = self._clock.monotonic() + (AGAIN if error else FRESH)
        return error
