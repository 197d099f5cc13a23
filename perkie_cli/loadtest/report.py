"""The report of a run as plain values: what the JSON file holds, and what every other format is made of.

``python -m tests.made_schema`` makes ``docs/load-report.schema.json`` from these classes. Durations are in seconds.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import perkie_cli
from perkie_cli.loadtest.generator.driver import top_of
from perkie_cli.loadtest.histogram import Histogram
from perkie_cli.loadtest.load import Run, in_flight
from perkie_cli.loadtest.tally import Outcome, Second, Series
from perkie_cli.loadtest.verdict import RunVerdict, allowed_lag, measured_seconds, verdict_of

SCHEMA = "perkie-load/1"
CURVE = (*(number / 100 for number in range(0, 99, 2)), 0.985, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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
    bytes: int
    latency: Durations
    service: Durations
    statuses: Mapping[str, int]
    errors: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ThresholdRow:
    """A threshold; ``value`` is null when nothing was measured. ``shown`` is the value for people."""

    name: str
    rule: str
    request: str
    phase: str
    value: float | None
    shown: str
    holds: bool


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """A part of the schedule."""

    name: str
    begin: float
    duration: float
    rate: float
    to: float
    users: int
    think: float


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class SecondRow:
    """A second of the schedule, by the intended time; latencies to 9 %."""

    at: int
    ok: int
    failed: int
    skipped: int
    p50: float | None
    p95: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class ErrorSample:
    """A distinct error and the beginning of the first such answer."""

    reason: str
    count: int
    request: str
    status: int | None
    at: float
    answer: str


@dataclass(frozen=True, slots=True)
class Report:
    """One run. ``complete`` is false when it was interrupted or aborted."""

    schema: Literal["perkie-load/1"]
    perkie: str
    platform: str
    scenario: ScenarioRow
    target: str
    started: str
    seconds: float
    status: Literal["passed", "failed", "invalid", "interrupted"]
    complete: bool
    ending: Literal["done", "aborted", "interrupted"]
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


def report_of(run: Run, verdict: RunVerdict | None = None) -> Report:
    """Everything that the run tells."""
    verdict = verdict or verdict_of(run)
    scenario, tally = run.scenario, run.tally
    total = tally.series(seconds=run.measured)
    phases = {phase.name: measured_seconds(run, phase.name) for phase in scenario.phases}
    return Report(
        schema="perkie-load/1",
        perkie=perkie_cli.__version__,
        platform=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        scenario=_scenario(run),
        target=run.target,
        started=run.started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=round(run.seconds, 3),
        status=verdict.status.value,
        complete=run.ending.value == "done",
        ending=run.ending.value,
        invalid=verdict.invalid,
        thresholds=[
            ThresholdRow(
                each.threshold.name,
                each.threshold.rule,
                each.threshold.call,
                each.threshold.phase,
                each.value,
                each.shown,
                each.holds,
            )
            for each in verdict.judgements
        ],
        total=_group(total),
        requests={call.name: _group(tally.series(call.name, seconds=run.measured)) for call in scenario.calls},
        phases={name: _group(tally.series(phase=name, seconds=seconds)) for name, seconds in phases.items()},
        warm_up=_group(tally.warm_up),
        generator=_generator(run, total),
        curve=[(share, total.latency.quantile(share) or 0.0) for share in CURVE] if total.latency.count else [],
        timeline=[_second(at, tally.timeline[at]) for at in sorted(tally.timeline)],
        errors=_errors(run, total),
    )


def _scenario(run: Run) -> ScenarioRow:
    scenario = run.scenario
    begin, phases = 0.0, []
    for each in scenario.phases:
        row = PhaseRow(each.name, begin, each.duration, each.rate, each.end_rate, each.users, each.think)
        phases.append(row)
        begin += each.duration
    return ScenarioRow(
        name=scenario.name,
        title=scenario.title,
        model="open" if scenario.open else "users",
        arrivals=scenario.spacing.value,
        warm_up=scenario.warm_up,
        duration=scenario.duration,
        seed=run.options.seed,
        phases=phases,
    )


def _group(series: Series) -> Group:
    return Group(
        meant=series.meant,
        sent=series.sent,
        answered=series.answered,
        ok=series.outcomes[Outcome.OK],
        error=series.outcomes[Outcome.ERROR],
        timeout=series.outcomes[Outcome.TIMEOUT],
        cut_off=series.outcomes[Outcome.CUT_OFF],
        skipped=series.outcomes[Outcome.SKIPPED],
        rate=series.figure("rate"),
        error_rate=series.figure("error_rate"),
        hit_rate=series.figure("hit_rate"),
        degraded_rate=series.figure("degraded_rate"),
        bytes=series.bytes,
        latency=_durations(series.latency),
        service=_durations(series.service),
        statuses={str(status): count for status, count in sorted(series.statuses.items())},
        errors=dict(series.errors.most_common()),
    )


def _durations(histogram: Histogram) -> Durations:
    figures = {name.replace(".", "_"): value for name, value in histogram.figures().items()}
    return Durations(**{name: None if value is None else round(value, 6) for name, value in figures.items()})


def _generator(run: Run, total: Series) -> GeneratorRow:
    generator = run.tally.generator
    return GeneratorRow(
        workers=run.options.workers,
        lag=_durations(generator.lag),
        allowed_lag=allowed_lag(run),
        busy=round(generator.busy / generator.windows, 4) if generator.windows else 0.0,
        connections=generator.connections,
        max_in_flight=in_flight(run.scenario),
        clamped=total.latency.clamped + total.service.clamped,
    )


def _second(at: int, second: Second) -> SecondRow:
    return SecondRow(
        at, second.ok, second.failed, second.skipped, _bin(second, 0.5), _bin(second, 0.95), _bin(second, 1.0)
    )


def _bin(second: Second, share: float) -> float | None:
    rest = share * second.bins.total()
    for number in sorted(second.bins):
        rest -= second.bins[number]
        if rest <= 0:
            return round(top_of(number), 6)
    return None


def _errors(run: Run, total: Series) -> list[ErrorSample]:
    counts = total.errors + run.tally.warm_up.errors
    return [
        ErrorSample(each.reason, counts[each.reason], each.call, each.status, each.after, each.answer)
        for each in sorted(run.tally.samples.values(), key=lambda sample: sample.after)
    ]


def as_json(report: Report) -> str:
    """The file."""
    return json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n"


def group_of(table: Mapping[str, Any]) -> Group:
    """A group that was read back."""
    durations = {name: Durations(**table[name]) for name in ("latency", "service")}
    return Group(**{**table, **durations})
