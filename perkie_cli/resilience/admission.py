"""Admits as much work at a time as memory allows; more waits in order or is refused."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from perkie_cli.domain.errors import AtCapacity


class Admission:
    """A weighted, first-come first-served gate.

    ``capacity`` is the maximum weight in progress (pixels, bytes), ``queue`` the additional weight that may wait. A
    single item heavier than the capacity is admitted alone. ``what`` names the work in the error.
    """

    def __init__(self, capacity: float, queue: float, what: str, retry_after: float = 5.0) -> None:
        self._capacity = capacity
        self._queue = queue
        self._what = what
        self._retry_after = retry_after
        self._waiters: deque[tuple[float, asyncio.Future[None]]] = deque()
        self.at_work = 0.0
        self.waiting = 0.0

    @asynccontextmanager
    async def hold(self, weight: float) -> AsyncIterator[bool]:
        """Waits for its turn, and tells whether it had to; always releases the weight at the end.

        Raises: AtCapacity when the queue is full.
        """
        weight = min(weight, self._capacity)
        waited = await self._enter(weight)
        try:
            yield waited
        finally:
            self._leave(weight)

    async def _enter(self, weight: float) -> bool:
        if not self._waiters and self.at_work + weight <= self._capacity:
            self.at_work += weight
            return False
        if self.waiting + weight > self._queue:
            raise AtCapacity(f"too much {self._what} at once", hint="Try again shortly.", retry_after=self._retry_after)
        turn = asyncio.get_running_loop().create_future()
        entry = (weight, turn)
        self._waiters.append(entry)
        self.waiting += weight
        try:
            await turn
        except asyncio.CancelledError:
            if entry in self._waiters:
                self._waiters.remove(entry)
                self.waiting -= weight
                self._admit()  # without this heavy waiter, lighter ones behind it may fit
            elif not turn.cancelled():  # admitted and cancelled at the same moment
                self._leave(weight)
            raise
        return True

    def _leave(self, weight: float) -> None:
        self.at_work -= weight
        self._admit()

    def _admit(self) -> None:
        while self._waiters and self.at_work + self._waiters[0][0] <= self._capacity:
            weight, turn = self._waiters.popleft()
            self.waiting -= weight
            if not turn.done():
                self.at_work += weight
                turn.set_result(None)
