"""Conditions of alert policies in Google's JSON. All conditions of a policy must be true together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perkie_cli.domain.service_levels import Across, Alert, Burn, Condition, Objective, Reading, Series, Side
from perkie_cli.domain.units import format_duration
from perkie_cli.ops.monitor.filters import burn_rate, written
from perkie_cli.ports.monitoring import Json
from perkie_cli.telemetry.catalogue import CATALOGUE, Kind

UPTIME_METRIC = "monitoring.googleapis.com/uptime_check/check_passed"
UPTIME_WINDOW = 120.0  # seconds: two checks of each region
_COUNTERS = {
    "request_seconds": "requests",
    "picture_seconds": "pictures",
    "cutout_seconds": "cutouts",
    "upstream_seconds": "upstream_calls",
}
_COMPARISON = {Side.ABOVE: "COMPARISON_GT", Side.BELOW: "COMPARISON_LT"}


def of_burn(objective: Objective, burn: Burn, name: str) -> dict[str, Any]:
    """Two windows and a least count. ``name``: the objective's in Cloud Monitoring."""
    found = [
        _condition(
            f"burns {burn.factor:g} times too fast over {format_duration(window)}",
            {"filter": burn_rate(name, window), "comparison": "COMPARISON_GT", "thresholdValue": burn.factor},
        )
        for window in (burn.window, burn.short)
    ]
    if burn.least:
        found.append(_at_least(objective.indicator.total, burn.least, burn.window))
    return {"conditions": found, "combiner": "AND"}


def of_alert(alert: Alert, uptime: str) -> dict[str, Any]:
    """``uptime``: the name of the uptime check, or the reference to it."""
    condition = alert.condition
    if condition.reading is Reading.UPTIME:
        found = [_condition("no answer in several regions", _uptime(condition, uptime))]
    else:
        found = [_condition(in_words(condition), threshold(condition))]
    if condition.least:
        found.append(_at_least(condition.series, condition.least, condition.window))
    return {"conditions": found, "combiner": "AND"}


def threshold(condition: Condition) -> dict[str, Any]:
    """The condition's own comparison."""
    series = {"filter": written(condition.series), "aggregations": [aggregation(condition)]}
    if condition.total is not None:
        series |= {"denominatorFilter": written(condition.total), "denominatorAggregations": [aggregation(condition)]}
    compared = {"comparison": _COMPARISON[condition.side], "thresholdValue": condition.threshold}
    found = {**series, **compared, "duration": f"{condition.lasting:.0f}s"}
    if condition.lasting:
        found["evaluationMissingData"] = "EVALUATION_MISSING_DATA_NO_OP"  # a sleeping service is not well, nor ill
    return found


def aggregation(condition: Condition) -> dict[str, Any]:
    """One series for the condition: Google bills each one that it returns."""
    if condition.reading is Reading.GAUGE:
        aligner, reducer = "ALIGN_MAX", "REDUCE_MAX" if condition.across is Across.MAX else "REDUCE_SUM"
    elif condition.reading is Reading.PERCENTILE:
        # the aligner of percentiles takes no cumulative series
        aligner, reducer = "ALIGN_DELTA", f"REDUCE_PERCENTILE_{condition.percentile:02d}"
    else:
        aligner, reducer = "ALIGN_DELTA", "REDUCE_SUM"
    return _aggregated(condition.window, aligner, reducer)


def in_words(condition: Condition) -> str:
    """``requests: share above 20 % over 5 min``."""
    what = f"p{condition.percentile}" if condition.reading is Reading.PERCENTILE else str(condition.reading)
    value = f"{condition.threshold:g}"
    if condition.reading is Reading.RATIO:
        what, value = "share", f"{condition.threshold * 100:g} %"
    when = f"over {format_duration(condition.window)}"
    if condition.reading is Reading.GAUGE:
        when = f"for {format_duration(condition.lasting)}" if condition.lasting else "now"
    if condition.reading is Reading.UPTIME:
        return f"/health fails in several regions for {format_duration(condition.lasting)}"
    return f"{condition.series.metric}: {what} {condition.side} {value} {when}"


def counter_of(series: Series) -> Series | None:
    """A counter of the same events: Google can compare no count of a distribution. None where there is none."""
    if CATALOGUE[series.metric].kind is Kind.COUNTER:
        return Series(series.metric, series.labels)
    counter = CATALOGUE.get(_COUNTERS.get(series.metric, ""))
    if counter is None:
        return None
    labels = {each.name for each in counter.labels}
    return Series(counter.name, {name: values for name, values in series.labels.items() if name in labels})


def _at_least(series: Series, least: int, window: float) -> Json:
    count = {
        "filter": written(counter_of(series) or series),
        "aggregations": [_aggregated(window, "ALIGN_DELTA", "REDUCE_SUM")],
        "comparison": "COMPARISON_GT",
        "thresholdValue": least,
    }
    return _condition(f"more than {least} in {format_duration(window)}", count)


def _uptime(condition: Condition, uptime: str) -> Mapping[str, Any]:
    terms = [f'metric.type = "{UPTIME_METRIC}"', 'resource.type = "uptime_url"']
    return {
        "filter": " AND ".join([*terms, f'metric.labels.check_id = "{uptime}"']),
        "aggregations": [_aggregated(UPTIME_WINDOW, "ALIGN_NEXT_OLDER", "REDUCE_COUNT_FALSE")],
        "comparison": "COMPARISON_GT",
        "thresholdValue": 1,
        "duration": f"{condition.lasting:.0f}s",
    }


def _aggregated(window: float, aligner: str, reducer: str) -> dict[str, Any]:
    return {"alignmentPeriod": f"{window:.0f}s", "perSeriesAligner": aligner, "crossSeriesReducer": reducer}


def _condition(title: str, compared: Mapping[str, Any]) -> Json:
    return {"displayName": title, "conditionThreshold": {"duration": "0s", **compared}}
