"""The faults of this emulator: their effects, and the Firestore calls that they apply to."""

from __future__ import annotations

from collections.abc import Mapping

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.emulators.rpc_faults import RpcFault

UNARY = ("BeginTransaction", "Commit", "Rollback", "GetDocument", "ListDocuments", "ListCollectionIds", "BatchWrite")
STREAMS = ("BatchGetDocuments", "RunQuery", "RunAggregationQuery")
GROUPS: Mapping[str, frozenset[str]] = {
    "read": frozenset({"BatchGetDocuments", "GetDocument", "ListDocuments", "RunQuery", "RunAggregationQuery"}),
    "commit": frozenset({"Commit"}),
    "begin": frozenset({"BeginTransaction"}),
}
METHODS = (*GROUPS, *UNARY, *STREAMS)


@frozen
class FirestoreFault(RpcFault):
    """One line of the plan. ``method`` is read, commit, begin, a call's name, or None for all.

    Raises: InvalidParameter.
    """

    def __post_init__(self) -> None:
        RpcFault.__post_init__(self)
        if self.method not in (None, *METHODS):
            raise InvalidParameter(f"method {self.method!r} is not known", hint=f"Known: {', '.join(METHODS)}.")

    def fits(self, method: str) -> bool:
        """Whether the fault can apply to this call."""
        return self.method in (None, method) or method in GROUPS.get(str(self.method), ())
