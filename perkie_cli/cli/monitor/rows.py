"""The rows of ``perkie monitor``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from perkie_cli.domain.frozen import frozen


@frozen
class AlertRow:
    """An alert of slo.yaml, in words."""

    alert: str
    severity: Literal["page", "ticket"]
    condition: str
    summary: str
    runbook: str


@frozen
class LiveRow:
    """One condition of an alert now. ``value`` is None without data; ``window`` and ``age`` (of the last point) in
    seconds. The alert ``fires`` when all its conditions are beyond their thresholds.
    """

    alert: str
    severity: Literal["page", "ticket"]
    fires: bool
    condition: str
    value: float | None
    threshold: float
    window: float
    age: float | None


@frozen
class ResourceChangeRow:
    """A resource of Cloud Monitoring that is made, changed or deleted; ``name`` is Google's, if it is there."""

    change: Literal["create", "update", "delete"]
    kind: str
    id: str
    name: str | None
    differences: Sequence[str]
