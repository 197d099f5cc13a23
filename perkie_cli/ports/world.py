"""Time, workers, downloads and the place where events go."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    from perkie_cli.domain.events import Event

P = ParamSpec("P")
T = TypeVar("T")


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> datetime:
        """Wall time, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds on a scale that never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Waits; cancellable."""


class Workers(Protocol):
    """A bounded pool for work that would stall the event loop."""

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``function`` in the pool. Cancelling the wait does not stop the function."""

    def close(self) -> None:
        """Frees the pool."""


class Downloads(Protocol):
    """Fetches large files over the network."""

    async def fetch(self, url: str, part: Path, progress: Callable[[int, int | None], None]) -> None:
        """Completes ``part``, going on from what it holds; ``progress`` is told bytes done and in all.

        Raises: UpstreamFault when it breaks off (what came stays in ``part``), UpstreamRefused when the server does
        not have it, StoreUnavailable when it cannot be written, AtCapacity when another process is at it.
        """


class Gate(Protocol):
    """Lets in as much work at a time as there is room for."""

    def hold(self, weight: float) -> AbstractAsyncContextManager[None]:
        """Room for work of that weight (pixels, bytes) within the block; waits for it. Raises: AtCapacity."""


class EventSink(Protocol):
    """Takes events; must be quick and must not raise."""

    def emit(self, event: Event) -> None:
        """Records one event."""
