"""The faults of this emulator: their effects, and the calls that they apply to."""

from __future__ import annotations

from enum import StrEnum

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.emulators.rpc_faults import RpcFault

ROLLOUT = "Rollout"  # what goes on after a change was accepted
METHODS = (
    *("GetService", "ListServices", "CreateService", "UpdateService", "DeleteService", "GetRevision"),
    *("ListRevisions", "GetOperation", "WaitOperation", "GetIamPolicy", "SetIamPolicy", ROLLOUT),
)


class RunFaultKind(StrEnum):
    """The effects of faults."""

    ERROR = "error"  # ``code`` at once
    SLOW = "slow"  # ``seconds`` later than usual; of a rollout: it takes so much longer
    HANG = "hang"  # never an answer; of a rollout: it never ends
    LOST = "lost"  # the call is carried out, but the answer is UNAVAILABLE
    UNREADY = "unready"  # of a rollout: the new revision does not start


@frozen
class RunFault(RpcFault):
    """One line of the plan. ``method`` is a call's name, ``Rollout``, or None for all calls.

    Raises: InvalidParameter.
    """

    kind: RunFaultKind  # type: ignore[assignment]  # the kinds of all services and one more

    def __post_init__(self) -> None:
        RpcFault.__post_init__(self)
        if self.method not in (None, *METHODS):
            raise InvalidParameter(f"method {self.method!r} is not known", hint=f"Known: {', '.join(METHODS)}.")
        if (self.kind is RunFaultKind.UNREADY) and self.method != ROLLOUT:
            raise InvalidParameter(f"unready is a fault of method {ROLLOUT!r}")
        if self.method == ROLLOUT and self.kind in (RunFaultKind.ERROR, RunFaultKind.LOST):
            raise InvalidParameter(f"{self.kind} is a fault of calls, not of {ROLLOUT!r}")

    def fits(self, method: str) -> bool:
        """Whether the fault can apply to this call."""
        return method == self.method or (self.method is None and method != ROLLOUT)
