"""The dashboard: a chart for each objective and for each alert, with its threshold drawn in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from perkie_cli.domain.service_levels import Alert, Objective, Reading, ServiceLevels, Severity
from perkie_cli.ops.monitor.conditions import aggregation
from perkie_cli.ops.monitor.filters import burn_rate, written
from perkie_cli.ops.monitor.place import Place
from perkie_cli.ports.monitoring import Json

COLUMNS, WIDE, HIGH = 48, 16, 12  # of a mosaic; a chart's width and height in its cells
_HEADER = 4


def dashboard(levels: ServiceLevels, place: Place) -> dict[str, Any]:
    """The dashboard's JSON, without labels."""
    tiles: list[Json] = []
    row = _place(tiles, 0, "Open incidents", [{"title": "Open incidents", "incidentList": {}}])
    for service in levels.services:
        charts = [_burning(each, place) for each in levels.objectives if each.service == service.name]
        row = _place(tiles, row, f"{service.title}: how fast the error budgets burn", charts)
    for severity, title in ((Severity.PAGE, "What pages"), (Severity.TICKET, "What makes tickets")):
        row = _place(tiles, row, title, [*_charts(levels.alerts, severity)])
    return {"displayName": "perkie", "mosaicLayout": {"columns": COLUMNS, "tiles": tiles}}


def _place(tiles: list[Json], row: int, title: str, widgets: Sequence[Json]) -> int:
    """Appends a header and its widgets, three in a row; returns the next free row."""
    if not widgets:
        return row
    tiles.append(_tile(0, row, COLUMNS, _HEADER, {"title": title, "sectionHeader": {}}))
    row += _HEADER
    for at, widget in enumerate(widgets):
        tiles.append(_tile(at % 3 * WIDE, row + at // 3 * HIGH, WIDE, HIGH, widget))
    return row + -(-len(widgets) // 3) * HIGH


def _tile(x: int, y: int, width: int, height: int, widget: Json) -> Json:
    return {"xPos": x, "yPos": y, "width": width, "height": height, "widget": widget}


def _burning(objective: Objective, place: Place) -> Json:
    rate = burn_rate(place.objective(objective), 3600)
    query = {"timeSeriesFilter": {"filter": rate, "aggregation": {"perSeriesAligner": "ALIGN_MEAN"}}}
    return _chart(objective.title, query, [burn.factor for burn in objective.burns] or [1.0])


def _charts(alerts: Sequence[Alert], severity: Severity) -> Iterator[Json]:
    for alert in alerts:
        condition = alert.condition
        if alert.severity is not severity or condition.reading is Reading.UPTIME:
            continue
        part = {"filter": written(condition.series), "aggregation": aggregation(condition)}
        query: Json = {"timeSeriesFilter": part}
        if condition.total is not None:
            whole = {"filter": written(condition.total), "aggregation": aggregation(condition)}
            query = {"timeSeriesFilterRatio": {"numerator": part, "denominator": whole}}
        yield _chart(alert.title, query, [condition.threshold])


def _chart(title: str, query: Json, thresholds: Sequence[float]) -> Json:
    chart = {
        "dataSets": [{"timeSeriesQuery": query, "plotType": "LINE"}],
        "thresholds": [{"value": each} for each in sorted(set(thresholds))],
    }
    return {"title": title, "xyChart": chart}
