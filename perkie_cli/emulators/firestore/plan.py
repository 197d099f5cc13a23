"""The faults of this emulator: their effects, and the Firestore calls that they apply to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.emulators.fault_plan import PlannedFault

UNARY = ("BeginTransaction", "Commit", "Rollback", "GetDocument", "ListDocuments", "ListCollectionIds", "BatchWrite")
STREAMS = ("BatchGetDocuments", "RunQuery", "RunAggregationQuery")
GROUPS: Mapping[str, frozenset[str]] = {
    "read": frozenset({"BatchGetDocuments", "GetDocument", "ListDocuments", "RunQuery", "RunAggregationQuery"}),
    "commit": frozenset({"Commit"}),
    "begin": frozenset({"BeginTransaction"}),
}
METHODS = (*GROUPS, *UNARY, *STREAMS)


class FirestoreFaultKind(StrEnum):
    """The effects of faults."""

    ERROR = "error"  # ``code`` at once
    SLOW = "slow"  # ``seconds`` later than usual
    HANG = "hang"  # never an answer
    LOST = "lost"  # the call is carried out, but the answer is UNAVAILABLE


class Code(StrEnum):
    """The gRPC status codes for failures."""

    ABORTED = "ABORTED"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    PERMISSION_DENIED = "PERMISSION_DENIED"


@dataclass(frozen=True, slots=True)
class FirestoreFault(PlannedFault):
    """One line of the plan. ``method`` is read, commit, begin, a call's name, or None for all.

    Raises: InvalidParameter.
    """

    kind: FirestoreFaultKind
    method: str | None = None
    code: Code = Code.UNAVAILABLE
    seconds: float = 1.0

    def __post_init__(self) -> None:
        PlannedFault.__post_init__(self)
        if self.method not in (None, *METHODS):
            raise InvalidParameter(f"method {self.method!r} is not known", hint=f"Known: {', '.join(METHODS)}.")

    def fits(self, method: str) -> bool:
        """Whether the fault can apply to this call."""
        return self.method in (None, method) or method in GROUPS.get(str(self.method), ())
