"""Time, workers, downloads and event sinks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from perkie_cli.domain.frozen import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from perkie_cli.domain.events import Event

P = ParamSpec("P")
T = TypeVar("T")

DownloadProgress = Callable[[int, int | None], None]  # bytes done, bytes in total


class Clock(Protocol):
    """The source of time."""

    def now(self) -> datetime:
        """Wall-clock time, timezone-aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds on a scale that never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Waits; cancellable."""

    def alarm(self, seconds: float, ring: Callable[[], None]) -> Callable[[], None]:
        """Calls ``ring`` on the running loop once ``seconds`` have passed, unless the returned function is called."""


class Workers(Protocol):
    """A bounded pool for work that would stall the event loop."""

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``function`` in the pool. Cancelling the wait does not stop the function."""

    def close(self) -> None:
        """Frees the pool."""


class Downloads(Protocol):
    """Fetches large files over the network."""

    async def fetch(self, url: str, part: Path, progress: DownloadProgress) -> None:
        """Downloads to ``part``, resuming from its current content.

        Raises: UpstreamFault when the transfer breaks (``part`` keeps what arrived), UpstreamRefused when the server
        does not have the file, UnwritableFile or DiskFull when ``part`` cannot be written, AtCapacity when another
        process is downloading it.
        """


class Locks(Protocol):
    """Locks by name, between the processes that share something."""

    def hold(self, name: str) -> AbstractAsyncContextManager[None]:
        """Holds the lock during the block; waits while another process holds it. Dropped when the process ends."""

    def is_held(self, name: str) -> bool:
        """Whether some process holds it now."""


class EventSink(Protocol):
    """Receives events; must be fast and must not raise."""

    def emit(self, event: Event) -> None:
        """Records one event."""


@frozen
class NextProbe:
    """When an upstream's breaker, which is ``open`` or ``half_open``, lets the next call pass: in ``wait`` seconds."""

    state: str
    at: datetime
    wait: float
