"""Makes a thing once for all concurrent requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Generic, TypeVar

from perkie_cli.resilience.coalesce import Coalescer
from perkie_cli.resilience.leases import Leases
from perkie_cli.resilience.turns import Load, Turn, Turns

T = TypeVar("T")


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
