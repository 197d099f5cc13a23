"""Series that make a condition come true, and healthy ones, made from what slo.yaml says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from perkie_cli.domain.service_levels import Alert, Condition, Objective, Reading, Series
from perkie_cli.ops.monitor.conditions import UPTIME_METRIC, counter_of
from perkie_cli.ports.monitoring import Buckets, Point, TimeSeries
from perkie_cli.telemetry.catalogue import CATALOGUE

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
CHECK = "perkie-health-1"


def labels_of(series: Series, at: int = 0) -> dict[str, str]:
    """Labels that the selection takes; ``500`` for ``5*``."""
    return {name: values[at % len(values)].replace("*", "00") for name, values in series.labels.items()}


def counter(series: Series, total: float, window: float, now: datetime = NOW) -> TimeSeries:
    """Grows by ``total`` within the window, evenly; it was at 1,000 before."""
    began, steps = now - timedelta(days=3), 10
    ends = [now - timedelta(seconds=window + 1), *_ends(window, steps, now)]
    points = [Point(began, end, 1000 + total * at / steps) for at, end in enumerate(ends)]
    return TimeSeries(CATALOGUE[series.metric].in_monitoring, labels_of(series), True, points)


def durations(series: Series, seconds: Mapping[float, int], window: float, now: datetime = NOW) -> TimeSeries:
    """So many values in the buckets of these seconds, evenly within the window."""
    bounds = CATALOGUE[series.metric].buckets
    counts = [0] * (len(bounds) + 1)
    for value, count in seconds.items():
        counts[next((at for at, bound in enumerate(bounds) if value <= bound), len(bounds))] += count
    began = now - timedelta(days=3)
    points = [
        Point(began, end, Buckets(bounds, tuple(each * at // 10 for each in counts)))
        for at, end in enumerate([now - timedelta(seconds=window + 1), *_ends(window, 10, now)])
    ]
    return TimeSeries(CATALOGUE[series.metric].in_monitoring, labels_of(series), True, points)


def gauge(series: Series, value: float, lasting: float, now: datetime = NOW) -> TimeSeries:
    """At ``value`` for so long, a point a minute; at 0 before."""
    ends = [now - timedelta(minutes=at) for at in reversed(range(40))]
    points = [Point(end, end, value if end > now - timedelta(seconds=lasting + 60) else 0.0) for end in ends]
    return TimeSeries(CATALOGUE[series.metric].in_monitoring, labels_of(series), False, points)


def checks(failing: int, now: datetime = NOW) -> list[TimeSeries]:
    """The uptime check of six regions, of which some get no answer."""
    ends = [now - timedelta(minutes=at) for at in reversed(range(10))]
    return [
        TimeSeries(UPTIME_METRIC, {"check_id": CHECK, "checker_location": f"r{at}"}, False,
                   [Point(end, end, float(at >= failing)) for end in ends])
        for at in range(6)
    ]  # fmt: skip


def bad(alert: Alert) -> list[TimeSeries]:
    """Series that must make it fire."""
    condition = alert.condition
    window, least = condition.window, condition.least
    match condition.reading:
        case Reading.COUNT:
            return [counter(condition.series, condition.threshold + 1, window)]
        case Reading.RATIO:
            share = min(1.0, condition.threshold + 0.05)
            return _mixed(condition, bad_share=share, count=round((least + 2) / share))
        case Reading.GAUGE:
            return [gauge(condition.series, condition.threshold * 1.05 + 0.05, condition.lasting)]
        case Reading.PERCENTILE:
            slow = durations(condition.series, {condition.threshold * 1.5: least + 5}, window)
            counted = counter_of(condition.series)
            return [slow, counter(counted, least + 5, window)] if counted else [slow]
        case Reading.UPTIME:
            return checks(failing=2)


def healthy(alert: Alert) -> list[list[TimeSeries]]:
    """Several kinds of health, none of which may make it fire."""
    condition = alert.condition
    window, least = condition.window, condition.least
    match condition.reading:
        case Reading.COUNT:
            return [[counter(condition.series, condition.threshold, window)], []]
        case Reading.RATIO:
            right = _mixed(condition, bad_share=condition.threshold * 0.8, count=1000)
            return [right, _mixed(condition, bad_share=1.0, count=least), []]
        case Reading.GAUGE:
            well = [gauge(condition.series, condition.threshold, 3600)]
            blip = [gauge(condition.series, condition.threshold * 1.05 + 0.05, condition.lasting - 120)]
            return [well, blip, []] if condition.lasting else [well, []]
        case Reading.PERCENTILE:
            counted = counter_of(condition.series)
            quick = durations(condition.series, {0.5: 90, condition.threshold: 10}, window)
            few = durations(condition.series, {condition.threshold * 2: least}, window)
            tally = [counter(counted, 100, window)] if counted else []
            return [[quick, *tally], [few, counter(counted, least, window)] if counted else [], []]
        case Reading.UPTIME:
            return [checks(failing=0), checks(failing=1), []]


def _mixed(condition: Condition, bad_share: float, count: int) -> list[TimeSeries]:
    """Bad events and others, together ``count`` of the total."""
    assert condition.total is not None
    wrong = round(count * bad_share)
    series = [counter(condition.series, wrong, condition.window)]
    if rest := count - wrong:
        series.append(counter(_rest(condition.series, condition.total), rest, condition.window))
    return series


def _rest(part: Series, whole: Series) -> Series:
    """Of the whole what is not in the part."""
    for name, values in whole.labels.items():
        left = tuple(each for each in values if each not in part.labels.get(name, ()))
        if left and name in part.labels:
            return Series(whole.metric, {**whole.labels, name: left})
    name = next(name for name in part.labels if name not in whole.labels or part.labels[name] != whole.labels[name])
    return Series(whole.metric, {**whole.labels, name: ("ok",)})


def burning(objective: Objective, share: float, count: int, window: float) -> list[TimeSeries]:
    """``count`` events of the objective within the window, of which ``share`` are bad."""
    wrong = round(count * share)
    indicator = objective.indicator
    if (under := indicator.under) is not None:
        counted = counter_of(indicator.total)
        series = [durations(indicator.total, {under: count - wrong, under * 3: wrong}, window)]
        return [*series, counter(counted, count, window)] if counted is not None else series
    rest = Series(indicator.total.metric, _others(indicator.part, indicator.total))
    return [counter(rest, count - wrong, window), counter(indicator.part, wrong, window)]


def _others(part: Series, whole: Series) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(v for v in values if v not in part.labels[name]) or values for name, values in whole.labels.items()
    }


def _ends(window: float, steps: int, now: datetime) -> Sequence[datetime]:
    return [now - timedelta(seconds=window * (1 - at / steps)) for at in range(1, steps + 1)]
