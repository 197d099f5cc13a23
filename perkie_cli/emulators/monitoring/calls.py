"""What every service here is made of: its calls by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from perkie_cli.domain.frozen import frozen


@frozen
class Call:
    """One unary call: the class of its requests, and what answers them. Raises: Refused."""

    request: Any
    answer: Callable[[Any], Awaitable[Any]]


class Service(Protocol):
    """One gRPC service; ``name`` with its package."""

    name: str

    def calls(self) -> Mapping[str, Call]:
        """The calls that are emulated, by their names in the protocol."""
