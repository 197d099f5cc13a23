"""Refuses what could never tell anybody: the most dangerous alert is one that cannot fire."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import NoReturn

from perkie_cli.domain import errors
from perkie_cli.domain.errors import InvalidSetting, PerkieError
from perkie_cli.domain.service_levels import (
    Alert,
    Condition,
    Indicator,
    Objective,
    Reading,
    Series,
    ServiceLevels,
    Side,
)
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.ops.monitor.conditions import counter_of
from perkie_cli.telemetry.catalogue import CATALOGUE, Kind, Label, Metric

LONGEST_WINDOW = 25 * 3600.0  # seconds; Cloud Monitoring aligns over no more in alerts
LONGEST_LASTING = 23.5 * 3600.0  # seconds; its longest duration
_SHAPES = {"status": re.compile(r"[1-5](\d\d|\d?\*)"), "route": re.compile(r"/.*|unmatched")}
_KINDS = {
    Reading.COUNT: (Kind.COUNTER,),
    Reading.RATIO: (Kind.COUNTER,),
    Reading.GAUGE: (Kind.GAUGE,),
    Reading.PERCENTILE: (Kind.DISTRIBUTION,),
}
_MOST = {"breaker_state": 2.0, "memory_share": 1.0, "upstream_quota_share": 1.0}


class _Broken(Exception):
    """A rule that is broken, and what may help."""

    def __init__(self, rule: str, hint: str = "") -> None:
        super().__init__(rule)
        self.rule, self.hint = rule, hint


def check(levels: ServiceLevels) -> None:
    """Raises: InvalidSetting with file, line and rule for the first alert or objective that can never come true."""
    names: dict[str, int] = {}
    for objective in levels.objectives:
        _told(levels, objective, partial(_check_objective, objective))
        for burn in objective.burns:
            names[f"{objective.name}-{burn.name}"] = objective.line
    for alert in levels.alerts:
        if alert.name in names:
            _refuse(levels, alert, f"its name is that of the burn rate at line {names[alert.name]}")
        _told(levels, alert, partial(_check_condition, alert.condition))


def _told(levels: ServiceLevels, what: Objective | Alert, rule: Callable[[], None]) -> None:
    try:
        rule()
    except _Broken as broken:
        _refuse(levels, what, broken.rule, broken.hint)


def _refuse(levels: ServiceLevels, what: Objective | Alert, rule: str, hint: str = "") -> NoReturn:
    kind = "SLO" if isinstance(what, Objective) else "Alert"
    raise InvalidSetting(f"{levels.source}:{what.line}: {kind} {what.name}: {rule}", hint=hint or None)


def _check_objective(objective: Objective) -> None:
    _check_indicator(objective.indicator)
    for burn in objective.burns:
        most = 1 / (1 - objective.target)
        if burn.factor >= most:
            raise _Broken(
                f"{burn.name} can never come true: with a target of {objective.target:.4g} a budget burns at most "
                f"{most:.3g} times too fast, and the threshold is {burn.factor:g}"
            )
        if burn.least and counter_of(objective.indicator.total) is None:
            raise _Broken(f"{burn.name} needs a least count, and of {objective.indicator.total.metric} there is none")
        if burn.window > objective.days * 86_400:
            raise _Broken(f"{burn.name} looks back longer than the objective's {objective.days} days")


def _check_indicator(indicator: Indicator) -> None:
    kind = (Kind.COUNTER,) if indicator.under is None else (Kind.DISTRIBUTION,)
    for series in (indicator.part, indicator.total):
        _check_bound(_metric(series, kind), series.under)
    _check_part(indicator.part, indicator.total)


def _check_condition(condition: Condition) -> None:
    if condition.reading is Reading.UPTIME:
        return
    metric = _metric(condition.series, _KINDS[condition.reading])
    if condition.total is not None:
        _metric(condition.total, _KINDS[condition.reading])
        _check_part(condition.series, condition.total)
    if not 60 <= condition.window <= LONGEST_WINDOW:
        raise _Broken("its window must be from 1m to 25h: Cloud Monitoring aligns over no more")
    if condition.least and counter_of(condition.series) is None:
        raise _Broken(f"it needs a least count, and of {metric.name} there is none")
    if condition.lasting > LONGEST_LASTING:
        raise _Broken("it can never come true: a condition lasts 23h30m at most")
    _check_threshold(condition, metric)


def _check_threshold(condition: Condition, metric: Metric) -> None:
    most = 1.0 if condition.reading is Reading.RATIO else _MOST.get(metric.name, float("inf"))
    if condition.reading is Reading.PERCENTILE:
        most = metric.buckets[-1]
        _check_bound(metric, condition.threshold)
    if condition.side is Side.ABOVE and condition.threshold >= most:
        raise _Broken(f"it can never come true: {metric.name} is never above {most:g} here")
    if condition.side is Side.BELOW and condition.reading is Reading.RATIO:
        raise _Broken(
            "a share below something never comes true when it is worst: without any good event there is no ratio",
            "Turn it round: the bad events, above the rest.",
        )
    if condition.side is Side.BELOW and condition.threshold <= 0:
        raise _Broken("it can never come true: nothing is below 0")


def _check_bound(metric: Metric, seconds: float | None) -> None:
    if seconds is not None and seconds not in metric.buckets:
        known = ", ".join(f"{each:g}" for each in metric.buckets)
        raise _Broken(
            f"{seconds:g} is between two buckets of {metric.name}, where Cloud Monitoring only guesses",
            f"Its buckets end at {known}.",
        )


def _check_part(part: Series, whole: Series) -> None:
    """A ratio of what is no part of the whole is no share."""
    outside = part.metric != whole.metric or any(
        not _within(part.labels.get(label, ("*",)), values) for label, values in whole.labels.items()
    )
    if outside:
        raise _Broken("its ratio is no share: the series are no part of the total")


def _within(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    return all(_covered(each, whole) for each in part)


def _covered(value: str, patterns: Collection[str]) -> bool:
    """Whether a value, or a beginning with ``*``, is one of the patterns or under one."""
    return any(value == each or (each.endswith("*") and value.startswith(each[:-1])) for each in patterns)


def _metric(series: Series, kinds: tuple[Kind, ...]) -> Metric:
    metric = CATALOGUE.get(series.metric)
    if metric is None:
        raise _Broken(f"there is no metric {series.metric!r}", did_you_mean(series.metric, CATALOGUE))
    if metric.kind not in kinds:
        raise _Broken(f"{metric.name} is a {metric.kind}, and a {' or '.join(kinds)} is needed")
    labels = {label.name: label for label in metric.labels}
    for name, values in series.labels.items():
        if name not in labels:
            raise _Broken(f"{metric.name} has no label {name!r}", did_you_mean(name, labels))
        for value in values:
            _check_value(metric, labels[name], value)
    return metric


def _check_value(metric: Metric, label: Label, value: str) -> None:
    if (shape := _SHAPES.get(label.name)) is not None:
        known: set[str] = set()
        fits = shape.fullmatch(value) is not None
    else:
        known = _values(label)
        fits = not known or any(_covered(each, (value,)) for each in known)
    if not fits:
        raise _Broken(f"{metric.name} never has {label.name} = {value!r}", did_you_mean(value, known))


def _values(label: Label) -> set[str]:
    """All values that a label can have; empty where they are a user's own, such as styles."""
    if label.values:
        return {*label.values}
    return {*_codes(), "ok", "degraded", "cancelled"} if label.name in ("outcome", "reason") else set()


def _codes() -> Iterator[str]:
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, PerkieError):
            yield each.code
