"""The faults of this emulator: their effects, and the requests that they apply to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from perkie_cli.emulators.fault_plan import PlannedFault
from perkie_cli.emulators.http_server import Request

READS = ("GET", "HEAD")


class StorageFaultKind(StrEnum):
    """The effects of faults."""

    ERROR = "error"  # ``status`` at once
    SLOW = "slow"  # ``seconds`` later than usual
    RESET = "reset"  # the connection drops
    HANG = "hang"  # never an answer


class Method(StrEnum):
    """Requests by what they do."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class StorageFault(PlannedFault):
    """One line of the plan. ``method`` None is every request."""

    kind: StorageFaultKind
    method: Method | None = None
    status: int = 503
    seconds: float = 1.0

    def fits(self, request: Request) -> bool:
        """Whether the fault can apply to this request."""
        return self.method in (None, Method.READ if request.method in READS else Method.WRITE)
