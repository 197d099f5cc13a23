"""What each alert sees now, and each alert in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.service_levels import ServiceLevels, Severity
from perkie_cli.domain.units import format_duration
from perkie_cli.ops.monitor.conditions import in_words
from perkie_cli.ops.monitor.evaluate import Evaluator, Value, filters_of
from perkie_cli.ops.monitor.filters import metric_type
from perkie_cli.ops.monitor.place import ID, Place
from perkie_cli.ops.monitor.resources import UPTIME_ID, Wanted, resolved, wanted
from perkie_cli.ports import Clock
from perkie_cli.ports.monitoring import Json, Kind, Monitoring

_MARGIN = timedelta(minutes=10)  # of points before a window: the first one tells from where it grows


@frozen
class Described:
    """An alert in words."""

    name: str
    severity: Severity
    condition: str
    summary: str
    runbook: str


@frozen
class Told:
    """An alert and its conditions now."""

    name: str
    severity: Severity
    fires: bool
    values: Sequence[Value]


def described(levels: ServiceLevels) -> Iterator[Described]:
    """Every alert: burn rates of objectives first."""
    for objective in levels.objectives:
        for burn in objective.burns:
            windows = f"{format_duration(burn.window)} and {format_duration(burn.short)}"
            words = f"burns {burn.factor:g} times too fast over {windows}, of more than {burn.least} events"
            summary = f"{objective.summary} {burn.summary}"
            yield Described(f"{objective.name}-{burn.name}", burn.severity, words, summary, burn.runbook)
    for alert in levels.alerts:
        least = f", and more than {alert.condition.least} of them" if alert.condition.least else ""
        words = f"{in_words(alert.condition)}{least}"
        yield Described(alert.name, alert.severity, words, alert.summary, alert.runbook)


def indicators(resources: Sequence[Wanted], place: Place) -> Mapping[str, Json]:
    """The objectives' JSON by their names in Cloud Monitoring."""
    found = {}
    for each in resources:
        if each.kind is Kind.OBJECTIVE:
            service, _, objective = each.id.partition("/")
            found[f"projects/{place.project}/services/{service}/serviceLevelObjectives/{objective}"] = each.body
    return found


async def look(monitoring: Monitoring, levels: ServiceLevels, place: Place, clock: Clock) -> list[Told]:
    """Reads the series that the alerts read, and evaluates every alert.

    Raises: StoreUnavailable, NotAuthorised.
    """
    resources = list(wanted(levels, place))
    known = indicators(resources, place)
    checks = [each for each in await monitoring.resources(Kind.UPTIME) if each.labels.get(ID) == UPTIME_ID]
    names = {f"@{Kind.UPTIME}/{UPTIME_ID}": each.name.rpartition("/")[2] for each in checks}
    policies = {each.id: resolved(each.body, names) for each in resources if each.kind is Kind.POLICY}
    now = clock.now()
    reach: dict[str, float] = {}
    for body in policies.values():
        window = _window(body)
        for text in filters_of(body, known):
            reach[metric_type(text)] = max(reach.get(metric_type(text), 0.0), window)
    series = [
        one
        for metric, seconds in sorted(reach.items())
        for one in await monitoring.series(metric, now - timedelta(seconds=seconds) - _MARGIN, now)
    ]
    evaluator = Evaluator(series, known)
    severities = {each.name: each.severity for each in described(levels)}
    found = [(name, evaluator.policy(body, now)) for name, body in policies.items()]
    return [Told(name, severities[name], each.fires, each.values) for name, each in found]


def _window(body: Json) -> float:
    """The longest window of a policy in seconds, with the time that it has to last."""
    return max(Evaluator.window_of(each["conditionThreshold"]) for each in body["conditions"])
