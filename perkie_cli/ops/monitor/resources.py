"""The resources of Cloud Monitoring that ``slo.yaml`` asks for, in Google's JSON.

A resource may name another one that Google has not named yet: ``@alert policy/…``; ``resolved`` puts the name in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.service_levels import Indicator, Objective, Reading, ServiceLevels
from perkie_cli.ops.monitor import conditions
from perkie_cli.ops.monitor.dashboard import dashboard
from perkie_cli.ops.monitor.filters import written
from perkie_cli.ops.monitor.place import EMAIL, ID, OWNER, PREFIX, Place, channel_id
from perkie_cli.ports.monitoring import Json, Kind
from perkie_cli.telemetry.catalogue import CATALOGUE, Metric
from perkie_cli.telemetry.catalogue import Kind as MetricKind

UPTIME_ID = "artistic"
DASHBOARD_ID = "perkie"
AUTO_CLOSE = "1800s"  # the least; what no longer fails is no longer written, and would stay open for a week


@frozen
class Wanted:
    """One resource as it should be."""

    kind: Kind
    id: str
    body: Json

    @property
    def reference(self) -> str:
        """How others name it until Google has named it."""
        return f"@{self.kind}/{self.id}"


def wanted(levels: ServiceLevels, place: Place) -> Iterator[Wanted]:
    """Everything, in the order in which it can be made."""
    yield from (Wanted(Kind.METRIC, each, descriptor(CATALOGUE[each])) for each in sorted(_metrics(levels)))
    for service in levels.services:
        body = {"displayName": service.title, "custom": {}, "userLabels": _labels(PREFIX + service.name)}
        yield Wanted(Kind.SERVICE, PREFIX + service.name, body)
    for objective in levels.objectives:
        yield Wanted(Kind.OBJECTIVE, objective_id(objective), _objective(objective))
    for id_, address in place.addresses.items():
        labels = {"email_address": address}
        body = {"type": "email", "displayName": f"perkie: {address}", "labels": labels, "userLabels": _labels(id_)}
        yield Wanted(Kind.CHANNEL, id_, body)
    if place.host is not None:
        yield Wanted(Kind.UPTIME, UPTIME_ID, _uptime(place.host))
    yield from _policies(levels, place)
    yield Wanted(Kind.DASHBOARD, DASHBOARD_ID, {**dashboard(levels, place), "labels": _labels(DASHBOARD_ID)})


def _metrics(levels: ServiceLevels) -> set[str]:
    """The names of all metrics that an objective or an alert looks at."""
    series = [each.condition.series for each in levels.alerts]
    series += [part for each in levels.alerts if (part := each.condition.total) is not None]
    for objective in levels.objectives:
        series.append(objective.indicator.total)
        if any(burn.least for burn in objective.burns):
            series.append(conditions.counter_of(objective.indicator.total) or objective.indicator.total)
    for alert in levels.alerts:
        if alert.condition.least and (counted := conditions.counter_of(alert.condition.series)) is not None:
            series.append(counted)
    return {each.metric for each in series if each.metric}


def objective_id(objective: Objective) -> str:
    """``perkie-artistic/availability``."""
    return f"{PREFIX}{objective.service}/{objective.name}"


def descriptor(metric: Metric) -> Json:
    """The metric's descriptor. Google accepts no alert on a metric that was never written, unless it is described."""
    kind = "GAUGE" if metric.kind is MetricKind.GAUGE else "CUMULATIVE"
    labels = [{"key": each.name} for each in metric.labels] + [{"key": "revision"}]
    return {
        "type": metric.in_monitoring,
        "metricKind": kind,
        "valueType": _value_type(metric),
        "unit": metric.unit,
        "description": metric.help,
        "labels": labels,
    }


def _value_type(metric: Metric) -> str:
    if metric.kind is MetricKind.DISTRIBUTION:
        return "DISTRIBUTION"
    return "DOUBLE" if metric.kind is MetricKind.GAUGE or metric.unit != "1" else "INT64"


def resolved(body: Json, names: Mapping[str, str]) -> Json:
    """The body with Google's names in place of references; what has no name yet stays."""

    def put_in(text: str) -> str:
        for reference in sorted(names, key=len, reverse=True):
            text = text.replace(reference, names[reference])
        return text

    return _mapped(body, put_in)  # type: ignore[no-any-return]


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _mapped(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [_mapped(each, change) for each in value]
    if isinstance(value, str) and "@" in value:
        return change(value)
    return value


def indicator_body(indicator: Indicator) -> Json:
    """The request-based indicator of an objective."""
    total = written(indicator.total)
    if indicator.under is not None:
        return {"requestBased": {"distributionCut": {"distributionFilter": total, "range": {"max": indicator.under}}}}
    part = "badServiceFilter" if indicator.counts_bad else "goodServiceFilter"
    return {"requestBased": {"goodTotalRatio": {part: written(indicator.part), "totalServiceFilter": total}}}


def _labels(id_: str) -> dict[str, str]:
    return {**OWNER, ID: id_.replace("/", "-")}


def _objective(objective: Objective) -> Json:
    return {
        "displayName": objective.summary,
        "serviceLevelIndicator": indicator_body(objective.indicator),
        "goal": objective.target,
        "rollingPeriod": f"{objective.days * 86_400}s",
        "userLabels": _labels(objective_id(objective)),
    }


def _uptime(host: str) -> Json:
    """Of the artistic service only: a check of the GPU service would wake it every minute, and pay for it."""
    return {
        "displayName": "perkie: /health",
        "monitoredResource": {"type": "uptime_url", "labels": {"host": host}},
        "httpCheck": {"path": "/health", "port": 443, "useSsl": True, "validateSsl": True},
        "period": "60s",
        "timeout": "10s",
        "userLabels": _labels(UPTIME_ID),
    }


def _policies(levels: ServiceLevels, place: Place) -> Iterator[Wanted]:
    for objective in levels.objectives:
        for burn in objective.burns:
            id_ = f"{objective.name}-{burn.name}"
            name = place.objective(objective)
            title, summary = f"{objective.title}: {burn.title}", f"{objective.summary} {burn.summary}"
            body = _policy(id_, title, summary, burn.runbook, place)
            body |= conditions.of_burn(objective, burn, name) | _told(burn.severity, place)
            yield Wanted(Kind.POLICY, id_, body)
    for alert in levels.alerts:
        if alert.condition.reading is Reading.UPTIME and place.host is None:
            continue  # without a host nobody asks it; the command says so
        body = _policy(alert.name, alert.title, alert.summary, alert.runbook, place)
        body |= conditions.of_alert(alert, f"@{Kind.UPTIME}/{UPTIME_ID}") | _told(alert.severity, place)
        yield Wanted(Kind.POLICY, alert.name, body)


def _policy(id_: str, title: str, summary: str, runbook: str, place: Place) -> dict[str, Any]:
    section = f"{runbook}.md#{id_}"  # each page has a section for each of its alerts
    page, links = f"docs/runbooks/{section}", []
    if place.runbooks is not None:
        page = f"{place.runbooks}/{section}"
        links = [{"displayName": "Runbook", "url": page}]
    content = (
        f"{summary}\n\nWhat to do: {page}\n\n"
        f"`perkie monitor show --live --only {id_}` shows the value now, `perkie doctor` what is wrong."
    )
    return {
        "displayName": f"perkie: {title}",
        "documentation": {
            "content": content,
            "mimeType": "text/markdown",
            "subject": f"perkie: {title}",
            **({"links": links} if links else {}),
        },
        "userLabels": _labels(id_),
        "enabled": True,
        "alertStrategy": {"autoClose": AUTO_CLOSE},
    }


def _told(severity: Any, place: Place) -> dict[str, Any]:
    channels = [
        f"@{Kind.CHANNEL}/{channel_id(each)}" if each.startswith(EMAIL) else each for each in place.channels[severity]
    ]
    return {"severity": place.severities[severity], "notificationChannels": channels}
