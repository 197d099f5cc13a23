"""Identical work that is asked for while it is under way is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from perkie_cli.system.waiting import stop

T = TypeVar("T")


class _Flight(Generic[T]):
    """One piece of shared work and how many wait for it."""

    __slots__ = ("task", "waiters")

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.waiters = 0


class Coalescer(Generic[T]):
    """Runs one task a key; whoever asks while it runs waits for the same task.

    The task belongs to nobody who waits: cancelling one of them, first or later, leaves it running for the others.
    Only when the last one leaves is it cancelled, and that one sees its cleanup through.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}

    def __len__(self) -> int:
        """How many keys are under way."""
        return len(self._flights)

    async def run(self, key: Hashable, factory: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """The result of ``factory()`` and whether this caller joined work that another had begun.

        Raises: whatever the shared work raises, to each who waits.
        """
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            flight = self._begin(key, factory)
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task), joined
        finally:
            flight.waiters -= 1
            if flight.waiters == 0 and not flight.task.done():
                self._forget(key, flight)  # whoever comes now begins anew instead of joining a dying task
                await stop(flight.task)

    def _begin(self, key: Hashable, factory: Callable[[], Awaitable[T]]) -> _Flight[T]:
        async def work() -> T:
            return await factory()

        flight = _Flight(asyncio.get_running_loop().create_task(work()))
        self._flights[key] = flight
        flight.task.add_done_callback(lambda task: self._landed(key, flight, task))
        return flight

    def _landed(self, key: Hashable, flight: _Flight[T], task: asyncio.Task[T]) -> None:
        self._forget(key, flight)
        if not task.cancelled():
            task.exception()  # retrieved, so that nobody is warned of an error whose last waiter had left

    def _forget(self, key: Hashable, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
