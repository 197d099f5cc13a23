"""The gates of a canary: each objective of ``slo.yaml`` must hold for the new revision by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from perkie_cli.domain.service_levels import Objective, ServiceLevels
from perkie_cli.ops.monitor.evaluate import Evaluator, filters_of
from perkie_cli.ops.monitor.filters import metric_type
from perkie_cli.ops.monitor.resources import indicator_body
from perkie_cli.ports.monitoring import Json, Monitoring, TimeSeries

LEAST_EVENTS = 20  # fewer say nothing about a revision
LABEL = "revision"


class GateStatus(StrEnum):
    """Whether a revision may get more traffic, as far as one gate says."""

    PASSED = "passed"
    FAILED = "failed"
    TOO_FEW = "too few"  # events to say


@dataclass(frozen=True, slots=True)
class Gate:
    """One row: the share of good events of ``indicator`` must be at least ``target``."""

    name: str
    indicator: str
    service: str
    target: float
    body: Json  # the objective as Cloud Monitoring has it

    @property
    def metrics(self) -> set[str]:
        """The metric types that it reads."""
        policy = {"conditions": [{"conditionThreshold": {"filter": 'select_slo_burn_rate("x", "60s")'}}]}
        return {metric_type(each) for each in filters_of(policy, {"x": self.body})}


@dataclass(frozen=True, slots=True)
class GateRow:
    """What a gate says about a revision; ``share`` is None without events."""

    gate: str
    revision: str
    indicator: str
    events: int
    share: float | None
    target: float
    status: GateStatus


def gates(levels: ServiceLevels, service: str) -> tuple[Gate, ...]:
    """The gates of a service (``artistic`` or ``matting``)."""
    return tuple(_gate(each) for each in levels.objectives if each.service == service)


def _gate(objective: Objective) -> Gate:
    body = {"serviceLevelIndicator": indicator_body(objective.indicator), "goal": objective.target}
    return Gate(objective.name, objective.indicator.name, objective.service, objective.target, body)


def judge(
    gate: Gate, series: Sequence[TimeSeries], revision: str, now: datetime, window: timedelta, least: int = LEAST_EVENTS
) -> GateRow:
    """Judges by the events of that revision within the window before ``now``."""
    good, total = Evaluator(series, {}).share(gate.body, window.total_seconds(), now, revision=revision)
    share = good / total if total else None
    if share is None or total < least:
        status = GateStatus.TOO_FEW
    else:
        status = GateStatus.PASSED if share >= gate.target else GateStatus.FAILED
    return GateRow(gate.name, revision, gate.indicator, round(total), share, gate.target, status)


async def judge_live(
    monitoring: Monitoring, chosen: Sequence[Gate], revision: str, now: datetime, window: timedelta
) -> list[GateRow]:
    """Reads Cloud Monitoring, and judges each gate.

    Raises: StoreUnavailable, NotAuthorised.
    """
    types = {each for gate in chosen for each in gate.metrics}
    series = [one for each in sorted(types) for one in await monitoring.series(each, now - window, now)]
    return [judge(gate, series, revision, now, window) for gate in chosen]
