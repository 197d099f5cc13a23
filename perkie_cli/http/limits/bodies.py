"""The memory of request bodies: what has arrived counts, not what was announced.

When there is no room, uploads wait for it, their sockets paused. Room for one body is left to the oldest upload, so
that uploads never block each other. An address that holds more than another gives way to it: its youngest upload is
refused.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import islice

from perkie_cli.domain.errors import AtCapacity

_QUEUE = 4  # waiting chunks may use a quarter of the capacity
_SHARE = 0.75  # of the room, for one address
_TRIES = 8  # waiters that try again when something is freed


class Body:
    """One body and its memory. ``close`` it at the end.

    ``give_way`` is called when it must end for another's sake; its memory counts as free from then on.
    """

    __slots__ = ("_bodies", "address", "give_way", "size")

    def __init__(self, bodies: Bodies, address: str, give_way: Callable[[], None]) -> None:
        self._bodies = bodies
        self.address = address
        self.give_way = give_way
        self.size = 0

    async def grow(self, more: int) -> None:
        """Counts ``more`` bytes, which have arrived; waits until there is room.

        Raises: AtCapacity.
        """
        if not self.try_grow(more):
            await self._bodies.make_room(self, more)

    def try_grow(self, more: int) -> bool:
        """Counts ``more`` bytes if there is room for them, or another body has given way."""
        return self._bodies.take(self, more)

    def arrived(self) -> None:
        """Says that the body is complete: it no longer gives way, since work has begun."""
        if self in self._bodies.uploads:
            del self._bodies.uploads[self]
            self._bodies.wake()  # another one is the oldest now

    def keep(self, size: int) -> None:
        """Frees all but ``size`` bytes: the body was parsed, and of it only a picture is left."""
        if size < self.size:
            self._bodies.free(self, self.size - size)

    def close(self) -> None:
        """Frees everything."""
        self.arrived()
        self.keep(0)


class Bodies:
    """All bodies of a server. ``capacity`` and the largest single body, ``most``, in bytes; ``patience``: seconds that
    an upload waits for room.
    """

    def __init__(self, capacity: int, most: int, patience: float) -> None:
        self._capacity = max(capacity, most)
        self._shared = self._capacity - most  # the rest is for the oldest upload alone
        self._patience = patience
        self._by_address: Counter[str] = Counter()
        self._waiters: dict[asyncio.Future[None], int] = {}  # with the bytes that each has in its hands
        self.uploads: dict[Body, None] = {}  # incomplete bodies, the oldest first
        self.held = 0

    def open(self, address: str, give_way: Callable[[], None]) -> Body:
        """A body that begins to arrive from ``address``."""
        return Body(self, address, give_way)

    def take(self, body: Body, more: int) -> bool:
        """See ``Body.try_grow``."""
        self.uploads.setdefault(body)
        while not self._fits(body, more):
            victim = self._heavier_than(body.address, more)
            if victim is None:
                return False
            victim.close()
            victim.give_way()
        body.size += more
        self.held += more
        self._by_address[body.address] += more
        return True

    async def make_room(self, body: Body, more: int) -> None:
        """Waits until ``more`` bytes fit. Raises: AtCapacity."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience
        while sum(self._waiters.values()) + more <= max(more, self._capacity // _QUEUE) and loop.time() < end:
            turn = loop.create_future()
            self._waiters[turn] = more
            try:
                await asyncio.wait([turn], timeout=end - loop.time())
            finally:
                del self._waiters[turn]
            if self.take(body, more):
                return
        raise AtCapacity("too many uploads at once", hint="Try again shortly.", retry_after=5)

    def free(self, body: Body, size: int) -> None:
        """Gives back ``size`` bytes of the body."""
        body.size -= size
        self.held -= size
        self._by_address[body.address] -= size
        if not self._by_address[body.address]:
            del self._by_address[body.address]
        self.wake()

    def wake(self) -> None:
        """Lets the first waiters try again; those that fail go to the end."""
        for turn in islice(self._waiters, _TRIES):
            if not turn.done():
                turn.set_result(None)

    def _fits(self, body: Body, more: int) -> bool:
        if next(iter(self.uploads)) is body:
            return self.held + more <= self._capacity
        share = self._shared * _SHARE
        return self.held + more <= self._shared and self._by_address[body.address] + more <= share

    def _heavier_than(self, address: str, more: int) -> Body | None:
        """The youngest upload of the address that holds most, if that is more than ``address`` would hold."""
        held = {each.address: self._by_address[each.address] for each in self.uploads}
        heaviest = max(held, key=held.__getitem__)
        if held[heaviest] <= self._by_address[address] + more:
            return None
        return next(each for each in reversed(self.uploads) if each.address == heaviest)
