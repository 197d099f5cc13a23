"""What every service here is made of: its calls by name, and how one is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import status_pb2

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.emulators.fault_plan import PlannedFault

DETAILS = "grpc-status-details-bin"  # the trailer in which Google's clients look for a google.rpc.Status


class Refused(Exception):
    """A call that ends with an error; ``details`` are messages for its ``google.rpc.Status``."""

    def __init__(self, code: grpc.StatusCode, message: str, details: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    @property
    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """The trailing metadata with the details."""
        if not self.details:
            return ()
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in self.details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        return ((DETAILS, status.SerializeToString()),)


def invalid(message: str) -> Refused:
    """INVALID_ARGUMENT."""
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, message)


@dataclass(frozen=True, slots=True)
class Call:
    """One unary call: the class of its requests, and what answers them. Raises: Refused."""

    request: Any
    answer: Callable[[Any], Awaitable[Any]]


class Service(Protocol):
    """One gRPC service; ``name`` with its package."""

    name: str

    def calls(self) -> Mapping[str, Call]:
        """The calls that are emulated, by their names in the protocol."""


class MonitoringFaultKind(StrEnum):
    """The effects of faults."""

    ERROR = "error"  # ``code`` at once
    SLOW = "slow"  # ``seconds`` later than usual
    HANG = "hang"  # never an answer


@dataclass(frozen=True, slots=True)
class MonitoringFault(PlannedFault):
    """One line of the plan. ``method`` is a call's name, or None for all; ``code`` a gRPC status.

    Raises: InvalidParameter.
    """

    kind: MonitoringFaultKind
    method: str | None = None
    code: str = "UNAVAILABLE"
    seconds: float = 1.0

    def __post_init__(self) -> None:
        PlannedFault.__post_init__(self)
        if self.code not in grpc.StatusCode.__members__:
            known = ", ".join(grpc.StatusCode.__members__)
            raise InvalidParameter(f"code {self.code[:40]!r} is not known", hint=f"Known: {known}.")

    def fits(self, method: str) -> bool:
        """Whether the fault can apply to this call."""
        return self.method in (None, method)
