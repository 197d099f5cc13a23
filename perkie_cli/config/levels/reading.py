"""Reads the documents of ``slo.yaml`` and ties them together by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TypeVar

from perkie_cli.config.levels.conditions import condition_of, series_of
from perkie_cli.config.levels.node import Node, documents
from perkie_cli.domain.errors import UnreadableFile
from perkie_cli.domain.service_levels import (
    Alert,
    Burn,
    Indicator,
    Objective,
    Series,
    Service,
    ServiceLevels,
    Severity,
)
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.domain.units import why_unread

OPENSLO, OURS = "openslo/v1", "perkie/v1"
SHIPPED = "slo.yaml"
RUNBOOK = "perkie.dev/runbook"
LOAD_TEST = "perkie.dev/load-test"  # the name under which load tests use this promise
LEAST = "perkie.dev/least-events"
MOST_DAYS = 30  # Cloud Monitoring's longest rolling window
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123, as OpenSLO asks, and fit for a label
_KINDS = {
    OPENSLO: ("Service", "SLI", "SLO", "AlertPolicy", "AlertCondition", "AlertNotificationTarget", "DataSource"),
    OURS: ("Alert", "LoadRule"),
}
_SOURCE = "perkie"  # the type of a metricSource: metrics by their names in docs/metrics.md
N = TypeVar("N")
Documents = Mapping[str, Mapping[str, Node]]


def read_levels(path: Path | None = None) -> ServiceLevels:
    """The service levels of a file; without one, those that come with perkie.

    Raises: UnreadableFile, InvalidSetting with file, line and rule.
    """
    if path is None:
        return parse_levels((resources.files("perkie_cli") / "data" / SHIPPED).read_text("utf-8"), SHIPPED)
    try:
        return parse_levels(path.read_text("utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"{path} cannot be read: {why_unread(error)}") from error


def parse_levels(text: str, source: str) -> ServiceLevels:
    """The service levels of a text.

    Raises: InvalidSetting.
    """
    named = _by_kind(text, source)
    burns = {name: _burn(name, each, named) for name, each in named["AlertPolicy"].items()}
    indicators = {name: _indicator(name, each) for name, each in named["SLI"].items()}
    services = {name: _service(name, each) for name, each in named["Service"].items()}
    rules: dict[str, str] = {}
    objectives = [_objective(name, each, services, indicators, burns, rules) for name, each in named["SLO"].items()]
    alerts = [_alert(name, each) for name, each in named["Alert"].items()]
    for name, each in named["LoadRule"].items():
        _, notes = _meta(each, LOAD_TEST)
        spec = each.mapping("spec")
        _add_rule(rules, each, notes.get(LOAD_TEST, name), spec.text("rule"))
        spec.done()
    for each in (*named["AlertNotificationTarget"].values(), *named["DataSource"].values()):
        each.skip(*each.fields)  # channels are settings; the source is always Cloud Monitoring
    return ServiceLevels(source, tuple(services.values()), tuple(objectives), tuple(alerts), rules)


def _by_kind(text: str, source: str) -> dict[str, dict[str, Node]]:
    found: dict[str, dict[str, Node]] = {kind: {} for kinds in _KINDS.values() for kind in kinds}
    for each in documents(text, source):
        version = each.one_of("apiVersion", _KINDS)
        kind = each.one_of("kind", _KINDS[version])
        meta = each.mapping("metadata")
        name = _name(meta)
        if name in found[kind]:
            meta.refuse("name", f"is {name!r}, which is taken: another {kind} at line {found[kind][name].line} has it")
        each.skip("spec", "metadata")
        each.done()
        found[kind][name] = each
    return found


def _name(meta: Node) -> str:
    name = meta.text("name")
    if not _NAME.fullmatch(name):
        meta.refuse("name", f"is {name!r}; names are up to 63 of a-z, 0-9 and -, and begin with a letter")
    return name


def _meta(document: Node, *annotations: str) -> tuple[str, Mapping[str, str]]:
    """The display name, and the annotations of ours."""
    meta = document.mapping("metadata")
    title = meta.text("displayName", _name(meta), 63)
    found: dict[str, str] = {}
    if meta.has("annotations"):
        given = meta.mapping("annotations")
        found = {each: given.text(each) for each in annotations if given.has(each)}
        for name in given.fields:
            if name.startswith("perkie.dev/") and name not in annotations:
                given.refuse(name, "is not known here", did_you_mean(name, annotations))
    meta.skip("labels")
    meta.done()
    return title, found


def _service(name: str, document: Node) -> Service:
    title, _ = _meta(document)
    spec = document.mapping("spec")
    summary = spec.text("description", title)
    spec.done()
    return Service(name, title, summary)


def _indicator(name: str, document: Node) -> Indicator:
    title, _ = _meta(document)
    spec = document.mapping("spec")
    spec.skip("description")
    ratio = spec.mapping("ratioMetric")
    spec.done()
    ratio.one_of("counter", ("true",), "true")
    if ratio.has("good") == ratio.has("bad"):
        ratio.refuse("", "needs total, and one of good and bad")
    counts_bad = ratio.has("bad")
    part = _source(ratio.mapping("bad" if counts_bad else "good"))
    total = _source(ratio.mapping("total"))
    ratio.done()
    if total.under is not None or (part.under is not None and counts_bad):
        ratio.refuse("", "has under in the wrong place: it belongs to good")
    if part.under is not None and (total.metric, total.labels) != (part.metric, part.labels):
        ratio.refuse("total", "must be the same series as good, without under: the share of one distribution is taken")
    return Indicator(name, title, part, total, counts_bad)


def _source(holder: Node) -> Series:
    source = holder.mapping("metricSource")
    holder.done()
    source.one_of("type", (_SOURCE,))
    source.skip("metricSourceRef")
    spec = source.mapping("spec")
    source.done()
    series = series_of(spec)
    spec.done()
    return series


def _burn(name: str, document: Node, named: Documents) -> Burn:
    title, notes = _meta(document, RUNBOOK, LEAST)
    spec = document.mapping("spec")
    spec.skip("alertWhenNoData", "alertWhenResolved", "alertWhenBreaching")
    for each in spec.mappings("notificationTargets"):  # who they are is a setting
        _referred(each, "targetRef", named["AlertNotificationTarget"])
        each.done()
    summary = spec.text("description", title)
    conditions = spec.mappings("conditions", 1)
    spec.done()
    if len(conditions) > 1:
        spec.refuse("conditions", "has more than one entry, and OpenSLO allows one")
    condition, line = _condition_of(conditions[0], named)
    severity = Severity(condition.one_of("severity", list(Severity)))
    condition.skip("description")
    inner = condition.mapping("condition")
    condition.done()
    inner.one_of("kind", ("burnrate",), "burnrate")
    inner.one_of("op", ("gt", "gte"), "gt")
    inner.skip("alertAfter")  # the short window does this
    factor, window = inner.number("threshold", 0.1, 1000), inner.seconds("lookbackWindow")
    inner.done()
    if not 300 <= window <= 30 * 86_400:
        inner.refuse("lookbackWindow", "must be from 5m to 30d")
    least = notes.get(LEAST, "10")
    if not least.isdecimal():
        document.refuse("metadata", f"has {LEAST} {least!r}, which is no whole number")
    return Burn(name, title, severity, notes.get(RUNBOOK, ""), summary, factor, window, int(least), line)


def _condition_of(entry: Node, named: Documents) -> tuple[Node, int]:
    """The spec of the condition: written there, or another document's."""
    if not entry.has("conditionRef"):
        entry.skip("kind", "metadata")
        spec = entry.mapping("spec")
        entry.done()
        return spec, entry.line
    document = _referred(entry, "conditionRef", named["AlertCondition"])
    _meta(document)
    entry.done()
    return document.mapping("spec"), document.line


def _objective(
    name: str,
    document: Node,
    services: Mapping[str, Service],
    indicators: Mapping[str, Indicator],
    burns: Mapping[str, Burn],
    rules: dict[str, str],
) -> Objective:
    title, notes = _meta(document, LOAD_TEST, RUNBOOK)
    spec = document.mapping("spec")
    summary = spec.text("description", title)
    service = _referred(spec, "service", services)
    indicator = _referred(spec, "indicatorRef", indicators)
    spec.one_of("budgetingMethod", ("Occurrences",), "Occurrences")
    days = _days(spec)
    goals = spec.mappings("objectives", 1)
    if len(goals) > 1:
        spec.refuse("objectives", "has more than one entry; write one SLO each")
    goals[0].skip("displayName")
    target = goals[0].number("target", 0.0001, 0.9999)
    goals[0].done()
    policies = spec.mappings("alertPolicies")
    named = [_told(_referred(each, "alertPolicyRef", burns), document, notes.get(RUNBOOK, "")) for each in policies]
    for each in (spec, *policies):
        each.done()
    found = Objective(name, title, service.name, indicator, target, days, tuple(named), summary, document.line)
    if LOAD_TEST in notes:
        _add_rule(rules, document, notes[LOAD_TEST], _rule_of(found))
    return found


def _told(burn: Burn, objective: Node, runbook: str) -> Burn:
    """With the objective's own runbook, if it has one: what to do depends on what burns."""
    if not runbook and not burn.runbook:
        text = f"has no annotation {RUNBOOK}, and neither has the alert policy {burn.name}"
        objective.refuse("metadata", f"{text}: whoever is told needs to know what to do")
    return replace(burn, runbook=runbook or burn.runbook)


def _days(spec: Node) -> int:
    windows = spec.mappings("timeWindow", 1)
    if len(windows) > 1:
        spec.refuse("timeWindow", "has more than one entry, and OpenSLO allows one")
    windows[0].one_of("isRolling", ("true",), "true")
    days = windows[0].seconds("duration") / 86_400
    windows[0].done()
    if days % 1 or not 1 <= days <= MOST_DAYS:
        windows[0].refuse("duration", f"must be whole days, up to {MOST_DAYS}: Cloud Monitoring rolls no longer")
    return int(days)


def _rule_of(objective: Objective) -> str:
    """The same promise for a load test: ``share_below_15s>=95%``, ``error_rate<=1%``."""
    if (under := objective.indicator.under) is not None:
        within = f"{under:g}s" if under >= 1 else f"{under * 1000:g}ms"
        return f"share_below_{within}>={objective.target * 100:g}%"
    return f"error_rate<={round((1 - objective.target) * 100, 6):g}%"


def _add_rule(rules: dict[str, str], document: Node, name: str, rule: str) -> None:
    if name in rules:
        document.refuse("metadata", f"gives load tests {name!r}, which another document gives, too")
    rules[name] = rule


def _alert(name: str, document: Node) -> Alert:
    title, notes = _meta(document, RUNBOOK)
    if RUNBOOK not in notes:
        document.refuse("metadata", f"has no annotation {RUNBOOK}: whoever is told needs to know what to do")
    spec = document.mapping("spec")
    severity = Severity(spec.one_of("severity", list(Severity)))
    summary = spec.text("description", title)
    node = spec.mapping("condition")
    condition = condition_of(node)
    node.done()
    spec.done()
    return Alert(name, title, severity, notes[RUNBOOK], summary, condition, document.line)


def _referred(node: Node, name: str, known: Mapping[str, N]) -> N:
    given = node.text(name)
    if given not in known:
        node.refuse(name, f"names {given!r}, which no document has as its name", did_you_mean(given, known))
    return known[given]
