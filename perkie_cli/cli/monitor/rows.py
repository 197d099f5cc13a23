"""The rows of ``perkie monitor``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert of slo.yaml, in words."""

    alert: str
    severity: Literal["page", "ticket"]
    condition: str
    summary: str
    runbook: str


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class ResourceChangeRow:
    """A resource of Cloud Monitoring that is made, changed or deleted; ``name`` is Google's, if it is there."""

    change: Literal["create", "update", "delete"]
    kind: str
    id: str
    name: str | None
    differences: Sequence[str]
