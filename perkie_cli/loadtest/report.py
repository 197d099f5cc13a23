"""The report of a run as plain values: what the JSON file holds, and what every other format is made of.

``python -m tests.made_schema`` makes ``docs/load-report.schema.json`` from these classes. Durations are in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Literal

from perkie_cli.domain.frozen import frozen

SCHEMA = "perkie-load/1"


@frozen
class Durations:
    """Of requests that were answered well or timed out; null where there are none."""

    min: float | None
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    p99_9: float | None
    max: float | None


@frozen
class Group:
    """Some of the requests. ``latency`` is from the intended time, ``service`` from the moment of sending.

    ``meant``: due by the schedule; ``sent``; ``answered``: with any status; ``cut_off``: by the end of the run;
    ``skipped``: not sent, since as many as allowed were in flight. ``rate``: good answers a second. Shares are from 0
    to 1, null where nothing tells.
    """

    meant: int
    sent: int
    answered: int
    ok: int
    error: int
    timeout: int
    cut_off: int
    skipped: int
    rate: float | None
    error_rate: float | None
    hit_rate: float | None
    degraded_rate: float | None
    cost_usd: float
    bytes: int
    latency: Durations
    service: Durations
    statuses: Mapping[str, int]
    errors: Mapping[str, int]


@frozen
class ThresholdRow:
    """A threshold; ``value`` is null when nothing was measured. ``shown`` is the value for people."""

    name: str
    rule: str
    request: str
    phase: str
    value: float | None
    shown: str
    holds: bool


@frozen
class PhaseRow:
    """A part of the schedule."""

    name: str
    begin: float
    duration: float
    rate: float
    to: float
    users: int
    think: float


@frozen
class ScenarioRow:
    """What was run."""

    name: str
    title: str
    model: Literal["open", "users"]
    arrivals: str
    warm_up: float
    duration: float
    seed: int
    phases: Sequence[PhaseRow]


@frozen
class GeneratorRow:
    """The generator's own state: ``lag`` is how late requests were sent, ``busy`` the share of the time in which a core
    was over 90 % busy, ``clamped`` the durations that were out of the histogram's range.
    """

    workers: int
    lag: Durations
    allowed_lag: float
    busy: float
    connections: int
    max_in_flight: int
    clamped: int


@frozen
class SecondRow:
    """A second of the schedule, by the intended time; latencies to 9 %."""

    at: int
    ok: int
    failed: int
    skipped: int
    p50: float | None
    p95: float | None
    max: float | None


@frozen
class ErrorSample:
    """A distinct error and the beginning of the first such answer."""

    reason: str
    count: int
    request: str
    status: int | None
    at: float
    answer: str


@frozen
class Report:
    """One run. ``complete`` is false when it ended before its time."""

    schema: Literal["perkie-load/1"]
    perkie: str
    platform: str
    scenario: ScenarioRow
    target: str
    started: str
    seconds: float
    status: Literal["passed", "failed", "invalid", "interrupted"]
    complete: bool
    ending: Literal["done", "aborted", "interrupted", "budget"]
    invalid: Sequence[str]
    thresholds: Sequence[ThresholdRow]
    total: Group
    requests: Mapping[str, Group]
    phases: Mapping[str, Group]
    warm_up: Group
    generator: GeneratorRow
    curve: Sequence[tuple[float, float]]
    timeline: Sequence[SecondRow]
    errors: Sequence[ErrorSample]
    warnings: Sequence[str]


def as_json(report: Report) -> str:
    """The file."""
    return json.dumps(asdict(report), indent=1) + "\n"
