"""Graceful shutdown, and the reasons to cancel a request: its client left, its deadline, the shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from starlette.requests import Request

from perkie_cli.domain.errors import DeadlineExceeded, Interrupted, Unavailable
from perkie_cli.system.waiting import alongside, first_of

T = TypeVar("T")
AT_ONCE = 0.05  # seconds: who answers within these need not watch whether the client is still there


class Shutdown:
    """After the signal new work is refused; after another ``grace`` the running work is cancelled too."""

    def __init__(self, grace: timedelta) -> None:
        self._grace = grace
        self._over: asyncio.Future[None] | None = None
        self.begun = False

    def begin(self) -> None:
        """Begins the shutdown; called on the event loop after the signal. Repeated calls change nothing."""
        if not self.begun:
            self.begun = True
            asyncio.get_running_loop().call_later(self._grace.total_seconds(), self.over().set_result, None)

    def check(self) -> None:
        """Refuses new work once the shutdown has begun.

        Raises: Unavailable.
        """
        if self.begun:
            raise server_stops()

    def over(self) -> asyncio.Future[None]:
        """Done when the time for requests in flight is over. All requests share it: do not cancel it."""
        if self._over is None:
            self._over = asyncio.get_running_loop().create_future()
        return self._over


async def while_wanted(request: Request, shutdown: Shutdown, work: Coroutine[Any, Any, T], limit: timedelta) -> T:
    """The result of ``work``, which is cancelled (and its cleanup awaited) when nobody needs it any more.

    The request's body must have been read before.

    Raises: Interrupted when the client left, DeadlineExceeded after ``limit``, Unavailable at shutdown, and the errors
    of ``work``.
    """
    seconds = limit.total_seconds()
    async with alongside(work) as task:
        await first_of(task, seconds=AT_ONCE)
        if not task.done():
            await _watched(request, shutdown, task, seconds - AT_ONCE)
        result: T = task.result()
        return result


async def _watched(request: Request, shutdown: Shutdown, task: asyncio.Task[Any], seconds: float) -> None:
    """Returns when the task is done. Raises: as ``while_wanted``, when something else happens before."""
    over = shutdown.over()
    async with alongside(_disconnected(request)) as gone:
        await first_of(task, gone, over, seconds=seconds)
        if task.done():
            return
        if gone.done():
            raise Interrupted("the client left")
        if over.done():
            raise server_stops()
        raise DeadlineExceeded(f"not done within {seconds + AT_ONCE:g} s", hint="Try again.", retry_after=5)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def server_stops() -> Unavailable:
    """The error for requests during shutdown."""
    return Unavailable("this server is stopping", hint="Try again: another one takes over.", retry_after=1)
