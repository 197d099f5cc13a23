"""Makes a thing once for all concurrent requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Generic, TypeVar

from perkie_cli.resilience.admission import Admission
from perkie_cli.resilience.coalesce import Coalescer
from perkie_cli.resilience.leases import Leases

T = TypeVar("T")


class Once(Generic[T]):
    """Join a request that already makes it → wait for other processes → look again → wait for admission → make.

    ``personal`` errors concern only the leading request: a follower then retries as leader. Without ``leases`` only
    requests of this process are joined.
    """

    def __init__(
        self, admission: Admission, leases: Leases | None = None, personal: tuple[type[Exception], ...] = ()
    ) -> None:
        self._admission = admission
        self._leases = leases
        self._personal = personal
        self._coalescer: Coalescer[T] = Coalescer()

    async def make(
        self,
        key: Hashable,
        weight: float,
        *,
        find: Callable[[], Awaitable[T | None]],
        make: Callable[[], Awaitable[T]],
        leased: str | None = None,
    ) -> tuple[T, bool]:
        """The thing under ``key``, and whether another request made it. ``weight``: of ``make``, for the admission.

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
                async with self._admission.hold(weight) as waited:
                    return (await find() if waited else None) or await make()

        while True:
            try:
                return await self._coalescer.run(key, lead)
            except self._personal:
                if led:
                    raise

    def _alone(self, name: str | None) -> AbstractAsyncContextManager[None]:
        return nullcontext() if name is None or self._leases is None else self._leases.held(name)
