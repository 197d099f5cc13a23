"""The faults of this emulator: their effects, and the requests that they apply to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.emulators.fault_plan import PlannedFault
from perkie_cli.emulators.http_server import Request, Response, Wire
from perkie_cli.emulators.storage.errors import ApiError

READS = ("GET", "HEAD")
TICK = 0.05  # seconds between the pieces of a narrow connection


class StorageFaultKind(StrEnum):
    """The effects of faults."""

    ERROR = "error"  # ``status`` at once
    SLOW = "slow"  # ``seconds`` later than usual
    RESET = "reset"  # the connection drops
    HANG = "hang"  # never an answer
    BANDWIDTH = "bandwidth"  # ``rate`` bytes per second, both ways
    SLICED = "sliced"  # the answer in pieces of ``size`` bytes, ``seconds`` apart
    SLOW_CLOSE = "slow_close"  # the answer ends with the connection, which closes ``seconds`` late


class Method(StrEnum):
    """Requests by what they do."""

    READ = "read"
    WRITE = "write"


@frozen
class StorageFault(PlannedFault):
    """One line of the plan. ``method`` None is every request. Raises: InvalidParameter."""

    kind: StorageFaultKind
    method: Method | None = None
    status: int = 503
    seconds: float = 1.0
    rate: float = 10_000.0
    size: int = 100

    def __post_init__(self) -> None:
        PlannedFault.__post_init__(self)
        if self.rate <= 0 or self.size < 1:
            raise InvalidParameter("rate and size must be above 0")

    def fits(self, request: Request) -> bool:
        """Whether the fault can apply to this request."""
        return self.method in (None, Method.READ if request.method in READS else Method.WRITE)


async def answer_with(
    fault: StorageFault, request: Request, wire: Wire, good: Callable[[], Response]
) -> Response | None:
    """The faulty answer, or None when the connection is finished. ``good`` carries the request out."""
    if fault.kind is StorageFaultKind.ERROR:
        return ApiError(fault.status, f"injected fault {fault.status}").response()
    if fault.kind is StorageFaultKind.RESET:
        wire.reset()
        return None
    if fault.kind is StorageFaultKind.HANG:
        await asyncio.Event().wait()
    if fault.kind is StorageFaultKind.SLOW:
        await asyncio.sleep(fault.seconds)
        return good()
    if fault.kind is StorageFaultKind.SLOW_CLOSE:
        await _close_late(wire, good(), fault.seconds)
    elif fault.kind is StorageFaultKind.SLICED:
        await _in_pieces(wire, good(), int(fault.size), fault.seconds)
    else:
        await asyncio.sleep(len(request.body) / fault.rate)  # the body is here already: its sender waits instead
        await _in_pieces(wire, good(), max(1, round(fault.rate * TICK)), TICK)
    return None


async def _in_pieces(wire: Wire, response: Response, size: int, pause: float) -> None:
    data = _last(response)
    for start in range(0, len(data), size):
        await wire.send(data[start : start + size])
        await asyncio.sleep(pause)
    wire.cut()


async def _close_late(wire: Wire, response: Response, seconds: float) -> None:
    """Without a length the client knows the end of the answer only by the end of the connection."""
    head, _, body = (
        replace(response, headers={**response.headers, "connection": "close"}).bytes().partition(b"\r\n\r\n")
    )
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"content-length:")]
    await wire.send(b"\r\n".join([*lines, b"", b""]) + body)
    await asyncio.sleep(seconds)
    wire.cut()


def _last(response: Response) -> bytes:
    """The last answer of its connection."""
    return replace(response, headers={**response.headers, "connection": "close"}).bytes()
