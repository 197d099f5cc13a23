"""The faults of emulated gRPC services. Without gRPC's own package, so that plans are read without it."""

from __future__ import annotations

from enum import StrEnum

from perkie_cli.domain.frozen import frozen
from perkie_cli.emulators.fault_plan import PlannedFault


class RpcFaultKind(StrEnum):
    """The effects of faults."""

    ERROR = "error"  # ``code`` at once
    SLOW = "slow"  # ``seconds`` later than usual
    HANG = "hang"  # never an answer
    LOST = "lost"  # the call is carried out, but the answer is UNAVAILABLE


class RpcCode(StrEnum):
    """The gRPC status codes for failures: https://grpc.github.io/grpc/core/md_doc_statuscodes.html"""

    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    UNAUTHENTICATED = "UNAUTHENTICATED"


@frozen
class RpcFault(PlannedFault):
    """One line of the plan. ``method`` is a call's name, or None for all. Raises: InvalidParameter."""

    kind: RpcFaultKind
    method: str | None = None
    code: RpcCode = RpcCode.UNAVAILABLE
    seconds: float = 1.0

    def fits(self, method: str) -> bool:
        """Whether the fault can apply to this call."""
        return self.method in (None, method)
