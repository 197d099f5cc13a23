"""The rows of the JSON envelope of ``deploy``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perkie_cli.domain.frozen import frozen


@frozen
class DeployShareRow:
    """A revision's part of the traffic. ``address``: its own, by tag; empty without one."""

    service: str
    revision: str
    percent: int
    tag: str
    address: str


@frozen
class DeployRequestRow:
    """A request that would be sent to Cloud Run."""

    request: Mapping[str, Any]


@frozen
class GateRow:
    """A service level of the new revision beside the old one; ``shared``: the old one suffers as much.

    ``age``: seconds since the new one's answers were counted; null if they never were.
    """

    level: str
    rule: str
    health: str
    new_bad: float
    new_total: float
    old_bad: float
    old_total: float
    shared: bool
    age: float | None
    why: str
