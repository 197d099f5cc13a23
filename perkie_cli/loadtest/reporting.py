"""Makes the report of a run."""

from __future__ import annotations

import os
import platform

import perkie_cli
from perkie_cli.loadtest.histogram import Histogram
from perkie_cli.loadtest.load import Run, in_flight
from perkie_cli.loadtest.report import (
    Durations,
    ErrorSample,
    GeneratorRow,
    Group,
    PhaseRow,
    Report,
    ScenarioRow,
    SecondRow,
    ThresholdRow,
)
from perkie_cli.loadtest.tally import Outcome, Series
from perkie_cli.loadtest.timeline import Second, top_of
from perkie_cli.loadtest.verdict import RunVerdict, allowed_lag, measured_seconds, verdict_of

CURVE = (*(number / 100 for number in range(0, 99, 2)), 0.985, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)


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
        timeline=[_second(at, second) for at, second in tally.timeline],
        errors=_errors(run, total),
        warnings=sorted(tally.warnings),
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
        cost_usd=round(series.usd, 6),
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
