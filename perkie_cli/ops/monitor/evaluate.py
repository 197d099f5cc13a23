"""What a condition says about raw series: the same arithmetic that Cloud Monitoring does, over what was written.

It reads the conditions as they are written to Google, so that what is shown and tested is what alerts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from perkie_cli.domain.frozen import frozen
from perkie_cli.ops.monitor.filters import burn_of, selects
from perkie_cli.ports.monitoring import Buckets, Json, TimeSeries

STEP = 60.0  # seconds between two evaluations of a condition that has to last
_FRESH = 300.0  # seconds: an older gauge is that of a server that is gone


@frozen
class Value:
    """What a condition says now. ``value`` is None without data; ``age``: seconds since the last point."""

    condition: str
    value: float | None
    threshold: float
    above: bool
    window: float
    breached: bool
    age: float | None

    @property
    def shown(self) -> tuple[str, float | None, float, float, float | None]:
        """Condition, value, threshold, window and age."""
        return self.condition, self.value, self.threshold, self.window, self.age


@frozen
class Evaluation:
    """All conditions of a policy: it fires when all of them are breached."""

    values: Sequence[Value]

    @property
    def fires(self) -> bool:
        """Whether somebody is told."""
        return bool(self.values) and all(each.breached for each in self.values)


class Evaluator:
    """Evaluates over ``series``; ``indicators``: Google's JSON of the objectives, by their names."""

    def __init__(self, series: Sequence[TimeSeries], indicators: Mapping[str, Json]) -> None:
        self._series = series
        self._indicators = indicators

    def policy(self, body: Json, now: datetime) -> Evaluation:
        """An alert policy in Google's JSON."""
        return Evaluation([self._condition(each, now) for each in body["conditions"]])

    def _condition(self, condition: Json, now: datetime) -> Value:
        compared = condition["conditionThreshold"]
        threshold, above = compared.get("thresholdValue", 0.0), compared["comparison"] == "COMPARISON_GT"
        lasting = _seconds(compared.get("duration", "0s"))
        beyond: list[int] = []  # when it was, in seconds before now
        latest: float | None = None
        for back in range(0, int(_reach(lasting)) + 1, int(STEP)):
            value = self._value(compared, now - timedelta(seconds=back))
            if value is None:
                continue  # a gap changes nothing: a server that idles writes nothing
            latest = value if latest is None and back <= lasting else latest
            if not (value > threshold if above else value < threshold):
                break
            beyond.append(back)
        breached = latest is not None and bool(beyond) and beyond[-1] - beyond[0] >= lasting
        window, age = self.window_of(compared), self._age(compared, now)
        return Value(condition["displayName"], latest, threshold, above, window, breached, age)

    @staticmethod
    def window_of(compared: Json) -> float:
        """How many seconds a condition looks back."""
        burn = burn_of(compared["filter"])
        if burn is not None:
            return burn[1]
        return _seconds(compared["aggregations"][0]["alignmentPeriod"]) + _reach(
            _seconds(compared.get("duration", "0s"))
        )

    def _age(self, compared: Json, now: datetime) -> float | None:
        burn = burn_of(compared["filter"])
        filters = _filters(self._indicators[burn[0]]) if burn else [compared["filter"]]
        ends = [each.points[-1].end for text in filters for each in self._selected(text) if each.points]
        return (now - max(ends)).total_seconds() if ends else None

    def _value(self, compared: Json, now: datetime) -> float | None:
        burn = burn_of(compared["filter"])
        if burn is not None:
            return self._burning(*burn, now)
        found = self._aggregated(compared["filter"], compared["aggregations"][0], now)
        if "denominatorFilter" not in compared:
            return found
        whole = self._aggregated(compared["denominatorFilter"], compared["denominatorAggregations"][0], now)
        return None if found is None or not whole else found / whole  # as Google: without a numerator there is no ratio

    def _burning(self, objective: str, seconds: float, now: datetime) -> float | None:
        indicator = self._indicators[objective]
        good, total = self._share(indicator, seconds, now)
        if not total:
            return None
        return (1 - good / total) / (1 - float(indicator["goal"]))

    def _share(self, objective: Json, seconds: float, now: datetime) -> tuple[float, float]:
        """Good events and all events within a window."""
        based = objective["serviceLevelIndicator"]["requestBased"]
        if cut := based.get("distributionCut"):
            merged = _merged(self._deltas(cut["distributionFilter"], seconds, now))
            return _under(merged, cut["range"]["max"]), float(sum(merged.counts) if merged else 0)
        ratio = based["goodTotalRatio"]
        total = self._count(ratio["totalServiceFilter"], seconds, now)
        if "goodServiceFilter" in ratio:
            return self._count(ratio["goodServiceFilter"], seconds, now), total
        return total - self._count(ratio["badServiceFilter"], seconds, now), total

    def _count(self, text: str, seconds: float, now: datetime) -> float:
        return sum(map(_number, self._deltas(text, seconds, now)))

    def _aggregated(self, text: str, aggregation: Json, now: datetime) -> float | None:
        seconds, aligner = _seconds(aggregation["alignmentPeriod"]), aggregation["perSeriesAligner"]
        reduce = _REDUCERS[aggregation["crossSeriesReducer"]]
        if aligner == "ALIGN_DELTA":
            found = self._deltas(text, seconds, now)
        else:
            found = self._gauges(text, seconds, now, largest=aligner == "ALIGN_MAX")
        return reduce(found) if found else None

    def _selected(self, text: str) -> list[TimeSeries]:
        fits = selects(text)
        return [each for each in self._series if fits(each.metric, each.labels)]

    def _deltas(self, text: str, seconds: float, now: datetime) -> list[Any]:
        first = now - timedelta(seconds=seconds)
        found = [_increase(each, first, now) for each in self._selected(text)]
        return [each for each in found if each is not None]

    def _gauges(self, text: str, seconds: float, now: datetime, *, largest: bool) -> list[Any]:
        first = now - timedelta(seconds=max(seconds, _FRESH if not largest else seconds))
        found = []
        for each in self._selected(text):
            values = [point.value for point in each.points if first < point.end <= now]
            if values:
                found.append(max(values) if largest else values[-1])  # type: ignore[type-var]
        return found


def _increase(series: TimeSeries, first: datetime, last: datetime) -> float | Buckets | None:
    """What was added between two times; a point counts where it ends. None without a point in between."""
    added: float | Buckets | None = None
    before: float | Buckets | None = None
    began: datetime | None = None
    for point in series.points:
        step = point.value if began != point.start or before is None else _minus(point.value, before)
        if first < point.end <= last:
            added = step if added is None else _plus(added, step)
        before, began = point.value, point.start
    return added


def _minus(one: Any, other: Any) -> Any:
    if isinstance(one, Buckets):
        return Buckets(one.bounds, tuple(a - b for a, b in zip(one.counts, other.counts, strict=True)))
    return one - other


def _plus(one: Any, other: Any) -> Any:
    if isinstance(one, Buckets):
        return Buckets(one.bounds, tuple(a + b for a, b in zip(one.counts, other.counts, strict=True)))
    return one + other


def _number(value: Any) -> float:
    return float(sum(value.counts)) if isinstance(value, Buckets) else float(value)


def _merged(found: Sequence[Any]) -> Buckets | None:
    whole: Buckets | None = None
    for each in found:
        if isinstance(each, Buckets):
            whole = each if whole is None else _plus(whole, each)
    return whole


def _under(buckets: Buckets | None, bound: float) -> float:
    if buckets is None:
        return 0.0
    return float(sum(count for limit, count in zip(buckets.bounds, buckets.counts, strict=False) if limit <= bound))


def _percentile(share: float) -> Callable[[Sequence[Any]], float | None]:
    """By bucket, and evenly within one, as Cloud Monitoring does."""

    def reduce(found: Sequence[Any]) -> float | None:
        merged = _merged(found)
        total = sum(merged.counts) if merged else 0
        if merged is None or not total:
            return None
        wanted, seen, low = share * total, 0.0, 0.0
        for bound, count in zip(merged.bounds, merged.counts, strict=False):
            if count and seen + count >= wanted:
                return low + (bound - low) * (wanted - seen) / count
            seen, low = seen + count, bound
        return merged.bounds[-1]

    return reduce


_REDUCERS: Mapping[str, Callable[[Sequence[Any]], float | None]] = {
    "REDUCE_SUM": lambda found: float(sum(map(_number, found))),
    "REDUCE_MAX": lambda found: float(max(map(_number, found))),
    "REDUCE_COUNT_FALSE": lambda found: float(sum(1 for each in found if not each)),
    "REDUCE_PERCENTILE_50": _percentile(0.5),
    "REDUCE_PERCENTILE_95": _percentile(0.95),
    "REDUCE_PERCENTILE_99": _percentile(0.99),
}


def _filters(objective: Json) -> list[str]:
    based = objective["serviceLevelIndicator"]["requestBased"]
    if cut := based.get("distributionCut"):
        return [cut["distributionFilter"]]
    return [text for name, text in based["goodTotalRatio"].items() if name.endswith("Filter")]


def filters_of(body: Json, indicators: Mapping[str, Json]) -> list[str]:
    """Every filter that the policy's conditions read."""
    found: list[str] = []
    for each in body["conditions"]:
        compared = each["conditionThreshold"]
        burn = burn_of(compared["filter"])
        found += _filters(indicators[burn[0]]) if burn else [compared["filter"]]
        found += [text] if (text := compared.get("denominatorFilter")) else []
    return found


def _reach(lasting: float) -> float:
    """How far back a condition that has to last is looked at, in seconds."""
    return 2 * lasting + STEP if lasting else 0.0


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))
