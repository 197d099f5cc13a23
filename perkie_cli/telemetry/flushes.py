"""When metrics are written to where they are collected: with the request that finds it due, and at the end.

A server on Cloud Run has no CPU between requests, so a timer would not run. A write begins with a request and goes on
beside its work; no request waits for it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.events import Arrived, Event, StoreAnswered, StoreFailed
from perkie_cli.ports import Clock
from perkie_cli.system.waiting import begin

USUALLY, AT_THE_END = 5.0, 2.0  # seconds for a write


Write = Callable[[float], Awaitable[None]]  # within so many seconds


class Flushes:
    """An event sink that begins a flush when a request arrives and one is due."""

    def __init__(
        self,
        name: str,
        *,
        prepare: Callable[[], Awaitable[None]],
        write: Write,
        every: float,
        clock: Clock,
        tell: Callable[[Event], None],
    ) -> None:
        """``prepare`` takes readings before a ``write``, but not before the last one: stores may be closed by then.

        What fails is told by ``tell`` under ``name``, and tried again ``every`` so many seconds.
        """
        self._name = name
        self._prepare = prepare
        self._write = write
        self._every = every
        self._clock = clock
        self._tell = tell
        self._due = clock.monotonic() + every
        self._running: asyncio.Task[None] | None = None

    def taker(self, kind: type[Event]) -> Callable[[Arrived], None] | None:
        """Takes ``Arrived``."""
        return self._begin if kind is Arrived else None

    def _begin(self, event: Arrived) -> None:
        del event
        if self._clock.monotonic() >= self._due and self._running is None:
            # without the request's context: what fails here is no part of that request
            self._running = contextvars.Context().run(begin, self._flush())

    async def aclose(self) -> None:
        """Flushes for the last time, if that does not take long."""
        running = self._running
        if running is not None:
            await asyncio.wait([running], timeout=AT_THE_END)
        if running is None or running.done():
            await self._write_and_tell(AT_THE_END)

    async def _flush(self) -> None:
        try:
            await self._prepare()
            await self._write_and_tell(USUALLY)
        finally:
            self._due = self._clock.monotonic() + self._every
            self._running = None

    async def _write_and_tell(self, seconds: float) -> None:
        try:
            await self._write(seconds)
        except PerkieError as error:
            self._tell(StoreFailed(self._name, "write", error.message, error.hint))
        except Exception as error:  # noqa: BLE001 -- a bug here must not reach a request
            self._tell(StoreFailed(self._name, "write", f"{type(error).__name__}: {error}"))
        else:
            self._tell(StoreAnswered(self._name, "write"))
