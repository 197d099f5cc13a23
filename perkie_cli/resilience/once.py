"""Makes a thing once for all concurrent requests: ``Coalescer`` in this process, ``Once`` over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Generic, TypeVar

from perkie_cli.resilience.leases import Leases
from perkie_cli.resilience.turns import Load, Turn, Turns
from perkie_cli.system.waiting import stop

T = TypeVar("T")


class _Flight(Generic[T]):
    """One piece of shared work and the number of its waiters."""

    __slots__ = ("task", "waiters")

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.waiters = 0


class Coalescer(Generic[T]):
    """Runs one task per key; callers that arrive while it runs wait for the same task.

    No waiter owns the task: cancelling any of them leaves it running for the others. When the last one leaves, the
    task is cancelled, and that last waiter awaits its cleanup.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}

    def __len__(self) -> int:
        """The number of running tasks."""
        return len(self._flights)

    async def run(self, key: Hashable, factory: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """The result of ``factory()``, and whether this caller joined work started by another.

        Raises: the error of the shared work, for every waiter.
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
                self._forget(key, flight)  # later callers start again instead of joining a task that is being cancelled
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
            task.exception()  # marks it as retrieved: no asyncio warning for an error without waiters

    def _forget(self, key: Hashable, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


class Once(Generic[T]):
    """Join a request that already makes it → wait for other processes → look again → wait for a turn → make.

    ``personal`` errors concern only the leading request: a follower then retries as leader. Without ``leases`` only
    requests of this process are joined.
    """

    def __init__(self, turns: Turns, leases: Leases | None = None, personal: tuple[type[Exception], ...] = ()) -> None:
        self._turns = turns
        self._leases = leases
        self._personal = personal
        self._coalescer: Coalescer[T] = Coalescer()

    async def make(
        self,
        key: Hashable,
        load: Load,
        *,
        find: Callable[[], Awaitable[T | None]],
        make: Callable[[Turn], Awaitable[T]],
        leased: str | None = None,
    ) -> tuple[T, bool]:
        """The thing under ``key``, and whether another request made it. ``load``: of ``make``.

        ``leased``: the name that other processes have for it; None: each may make its own.

        Raises: AtCapacity, and the errors of ``find`` and ``make``.
        """
        led = False

        async def lead() -> T:
            nonlocal led
            led = True
            async with self._alone(leased):
                # An identical request, perhaps of another process, may have finished since the caller looked.
                if (found := await find()) is not None:
                    return found
                async with self._turns.hold(load) as turn:
                    return (await find() if turn.waited else None) or await make(turn)

        while True:
            try:
                return await self._coalescer.run(key, lead)
            except self._personal:
                if led:
                    raise

    def _alone(self, name: str | None) -> AbstractAsyncContextManager[None]:
        return nullcontext() if name is None or self._leases is None else self._leases.held(name)
