"""The server's last seconds, and what a request waits beside: its client leaving, its deadline, the server's stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from perkie_cli.domain.errors import DeadlineExceeded, Interrupted, Unavailable
from perkie_cli.system.waiting import alongside, first_of

T = TypeVar("T")


class Life:
    """From serving to stopping: at the signal no new work is taken up, ``grace`` seconds later the rest is refused."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._over = asyncio.Event()
        self.stopping = False

    def stop(self) -> None:
        """Called on the event loop when the process is told to end; repeated calls change nothing."""
        if not self.stopping:
            self.stopping = True
            asyncio.get_running_loop().call_later(self._grace, self._over.set)

    def check(self) -> None:
        """Raises: Unavailable once stopping."""
        if self.stopping:
            raise stopping()

    async def ended(self) -> None:
        """Returns when time is up for what is in flight."""
        await self._over.wait()


async def watched(request: Request, life: Life, work: Coroutine[Any, Any, T], seconds: float) -> T:
    """The result of ``work``, which is cancelled (and its cleanup awaited) when nobody needs it any more.

    The request's body must have been read before.

    Raises: Interrupted when the client left, DeadlineExceeded after ``seconds``, Unavailable at the server's end, and
    whatever ``work`` raises.
    """
    async with alongside(_disconnected(request)) as gone, alongside(life.ended()) as over, alongside(work) as task:
        await first_of(task, gone, over, seconds=seconds)
        if task.done():
            return task.result()
        if gone.done():
            raise Interrupted("the client left")
        if over.done():
            raise stopping()
        raise DeadlineExceeded(f"not done within {seconds:g} s", hint="Try again.", retry_after=5)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def stopping() -> Unavailable:
    """What a request is told at the server's end."""
    return Unavailable("this server is stopping", hint="Try again: another one takes over.", retry_after=1)
