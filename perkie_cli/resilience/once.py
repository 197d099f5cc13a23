"""Makes a thing once for all concurrent requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from perkie_cli.resilience.admission import Admission
from perkie_cli.resilience.coalesce import Coalescer

T = TypeVar("T")


class Once(Generic[T]):
    """Join a request that already makes it → wait for admission → look again → make.

    ``personal`` errors concern only the leading request: a follower then retries as leader.
    """

    def __init__(self, admission: Admission, personal: tuple[type[Exception], ...] = ()) -> None:
        self._admission = admission
        self._personal = personal
        self._coalescer: Coalescer[T] = Coalescer()

    async def make(
        self,
        key: Hashable,
        weight: float,
        *,
        find: Callable[[], Awaitable[T | None]],
        make: Callable[[], Awaitable[T]],
    ) -> tuple[T, bool]:
        """The thing under ``key``, and whether another request made it. ``weight``: of ``make``, for the admission.

        Raises: AtCapacity, and the errors of ``find`` and ``make``.
        """
        led = False

        async def lead() -> T:
            nonlocal led
            led = True
            async with self._admission.hold(weight):
                # An identical request may have finished since the caller looked.
                return await find() or await make()

        while True:
            try:
                return await self._coalescer.run(key, lead)
            except self._personal:
                if led:
                    raise
