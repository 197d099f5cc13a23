"""The faults of this emulator: to which requests, and what is done to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from perkie_cli.emulators.fault_plan import PlannedFault
from perkie_cli.emulators.http_server import Request

READS = ("GET", "HEAD")


class StorageFaultKind(StrEnum):
    """What can be done to a request."""

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
        """Whether this request may be hit."""
        return self.method in (None, Method.READ if request.method in READS else Method.WRITE)
