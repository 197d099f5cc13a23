"""How a request's body arrives: counted as it comes, and ended when it comes too slowly."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.types import Message, Receive

from perkie_cli.domain.errors import AtCapacity, PerkieError, TooManyBytes
from perkie_cli.domain.units import format_size
from perkie_cli.http.answer.problems import RequestTooSlow
from perkie_cli.http.limits.bodies import Bodies, Body
from perkie_cli.http.limits.patience import PACE_BYTES, Patience

_SLOW = "Send a smaller picture, or try again."


class Arrival:
    """Receives one body. ``ending`` is the scope around the request, which ends when the body has to: ``why`` says it.

    The clock runs only while the client is asked for more.
    """

    def __init__(
        self, receive: Receive, bodies: Bodies, address: str, most: int, ending: asyncio.Timeout, patience: Patience
    ) -> None:
        self._receive = receive
        self._most = most
        self._ending = ending
        self._patience = patience
        self._body = bodies.open(address, self._give_way)
        self._loop = asyncio.get_running_loop()
        self._tick: asyncio.TimerHandle | None = None
        self._asking = False
        self._seen = self._seen_before = 0
        self._periods = 0
        self._complete = False
        self.why: PerkieError | None = None

    def __enter__(self) -> Body:
        self._tick = self._loop.call_later(self._patience.pace, self._check_pace)
        return self._body

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end_clock()
        self._body.close()

    async def receive(self) -> Message:
        """ASGI. Raises: TooManyBytes, AtCapacity."""
        self._asking = True
        message = await self._receive()
        self._asking = False
        if message["type"] == "http.request" and not self._complete:
            more = len(message.get("body", b""))
            self._seen += more
            check_length(self._seen, self._most)
            if more and not self._body.try_grow(more):
                await self._body.grow(more)
                self._seen_before -= PACE_BYTES  # the client could not send meanwhile
            if not message.get("more_body", False):
                self._complete = True
                self._end_clock()
                self._body.arrived()
        return message

    def _end_clock(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _check_pace(self) -> None:
        self._periods += 1
        slow = self._asking and self._seen - self._seen_before < PACE_BYTES
        if slow or self._periods * self._patience.pace >= self._patience.body:
            told = f"less than {format_size(PACE_BYTES)} of the body came in {self._patience.pace:g} s"
            late = f"the body did not arrive within {self._patience.body:g} s"
            self._end(RequestTooSlow(told if slow else late, hint=_SLOW))
        else:
            self._seen_before = self._seen
            self._tick = self._loop.call_later(self._patience.pace, self._check_pace)

    def _give_way(self) -> None:
        self._end(AtCapacity("too many uploads at once", hint="Try again shortly.", retry_after=5))

    def _end(self, why: PerkieError) -> None:
        if not self._ending.expired():
            self.why = why
            self._ending.reschedule(self._loop.time())


def check_length(length: int, most: int) -> None:
    """Refuses bodies of more than ``most`` bytes.

    Raises: TooManyBytes.
    """
    if length > most:
        raise TooManyBytes(f"the body is over the limit of {format_size(most)}", hint="Send a smaller picture.")
