"""The report for people and for CI: HTML, Markdown, JUnit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from perkie_cli.domain.errors import UsageError
from perkie_cli.domain.units import format_duration, format_size
from perkie_cli.loadtest.report import Group, Report, SecondRow, as_json
from perkie_cli.loadtest.thresholds import short_duration
from perkie_cli.reports import html, markdown, svg
from perkie_cli.reports.junit import Case, Result, junit

STATUS = {"passed": html.GOOD, "failed": html.BAD, "invalid": html.WARN, "interrupted": html.WARN}
COLUMNS = ("", "meant", "sent", "answered", "ok", "errors", "timeouts", "cut off", "skipped")
TIMES = ("", "rate", "mean", "p50", "p90", "p95", "p99", "p99.9", "max")
MOST_POINTS = 600  # of a chart over time
_NINES = 4  # the last tick of the percentile axis: 99.99 %


def write(report: Report, path: Path) -> None:
    """The format by the file's extension: .json, .html, .md or .xml (JUnit).

    The file is whole or not there. Raises: UsageError for another extension, OSError.
    """
    check_suffix(path)
    texts = {".json": as_json, ".html": as_html, ".md": as_markdown}
    data = as_junit(report) if path.suffix == ".xml" else texts[path.suffix](report).encode("utf-8", "replace")
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def check_suffix(path: Path) -> None:
    """Raises: UsageError for a file that ``write`` cannot make."""
    if path.suffix not in (".json", ".html", ".md", ".xml"):
        raise UsageError(
            f"{path}: a report is .json, .html, .md or .xml (JUnit)", hint="The extension chooses the format."
        )


# ---------------------------------------------------------------- words


def seconds(value: float | None) -> str:
    """``6.6 ms``; a dash for nothing."""
    return "–" if value is None else short_duration(value)


def plural(count: int, one: str, several: str) -> str:
    """``1 process``, ``2 processes``."""
    return f"{count:,} {one if count == 1 else several}"


def percent(value: float | None) -> str:
    """``99.5 %``; a dash for nothing."""
    return "–" if value is None else f"{value * 100:.4g} %"


def counts(name: str, group: Group) -> list[str]:
    """A row of ``COLUMNS``."""
    numbers = (group.meant, group.sent, group.answered, group.ok, group.error, group.timeout)
    return [name, *(f"{number:,}" for number in (*numbers, group.cut_off, group.skipped))]


def times(name: str, group: Group) -> list[str]:
    """A row of ``TIMES``, of latencies."""
    found = group.latency
    values = (found.mean, found.p50, found.p90, found.p95, found.p99, found.p99_9, found.max)
    rate = "–" if group.rate is None else f"{group.rate:.4g}/s"
    return [name, rate, *map(seconds, values)]


def service(group: Group) -> list[str]:
    """A row of ``TIMES``, of service times."""
    found = group.service
    values = (found.mean, found.p50, found.p90, found.p95, found.p99, found.p99_9, found.max)
    return ["service time", "", *map(seconds, values)]


def groups(report: Report) -> list[tuple[str, Group]]:
    """What tables show: all requests, each kind and each phase where there are several, the warm-up."""
    found = [("all", report.total)]
    found += list(report.requests.items()) if len(report.requests) > 1 else []
    found += [(f"in {name}", group) for name, group in report.phases.items()] if len(report.phases) > 1 else []
    return found + ([("warm-up, not judged", report.warm_up)] if report.warm_up.meant else [])


def headline(report: Report) -> str:
    """One sentence."""
    failed = sum(not row.holds for row in report.thresholds)
    words = {
        "passed": f"all {len(report.thresholds)} thresholds hold",
        "failed": f"{failed} of {len(report.thresholds)} thresholds do not hold",
        "invalid": "; ".join(report.invalid),
        "interrupted": "incomplete: the run was interrupted",
    }[report.status]
    early = " (ended early by a threshold)" if report.ending == "aborted" else ""
    return f"{report.status}: {words}{early}"


def about(report: Report) -> str:
    """How it was run."""
    scenario, generator = report.scenario, report.generator
    model = f"open, {scenario.arrivals} arrivals" if scenario.model == "open" else "users that wait for their answers"
    return (
        f"{report.target} · {report.started} · {format_duration(report.seconds)} of "
        f"{format_duration(scenario.duration)} · {model} · seed {scenario.seed} · perkie {report.perkie} · "
        f"{report.platform}; generator: {plural(generator.workers, 'process', 'processes')}, "
        f"{plural(generator.connections, 'connection', 'connections')}, "
        f"p99 of its delay {seconds(generator.lag.p99)} (allowed {seconds(generator.allowed_lag)})"
    )


def rates(group: Group) -> str:
    """Shares in a line."""
    parts = [("errors", group.error_rate), ("hits", group.hit_rate), ("degraded", group.degraded_rate)]
    shown = [f"{name} {percent(value)}" for name, value in parts if value is not None]
    return ", ".join([*shown, f"{format_size(group.bytes)} received"])


# ---------------------------------------------------------------- HTML


def as_html(report: Report) -> str:
    """One file, with the charts inside, without scripts."""
    scenario = report.scenario
    parts = [
        html.heading(f"{scenario.name}: {scenario.title}" if scenario.title else scenario.name, 1),
        html.paragraph(f"<strong>{html.text(headline(report), STATUS[report.status])}</strong>"),
        html.paragraph(html.text(about(report)), html.FAINT),
        *_thresholds(report),
        html.heading("Requests"),
        html.table(COLUMNS, [_cells(counts(*each)) for each in groups(report)], COLUMNS[1:]),
        html.paragraph(html.text(rates(report.total)), html.FAINT),
        html.heading("Latency, from the intended time of sending"),
        html.table(
            TIMES, [*(_cells(times(*each)) for each in groups(report)), _cells(service(report.total))], TIMES[1:]
        ),
        *_charts(report),
        *_answers(report),
    ]
    return html.page(f"Load test {scenario.name}: {report.status}", parts)


def _cells(row: Sequence[str]) -> list[str]:
    return [html.text(cell) for cell in row]


def _thresholds(report: Report) -> list[str]:
    if not report.thresholds:
        return []
    rows = [
        [
            html.text(row.name),
            html.text(row.shown),
            html.text("holds", html.GOOD) if row.holds else html.text("does not hold", html.BAD),
        ]
        for row in report.thresholds
    ]
    return [html.heading("Thresholds"), html.table(("threshold", "measured", ""), rows, ("measured",))]


def _charts(report: Report) -> list[str]:
    if not report.curve:
        return []
    return [
        html.heading("Percentiles", 3),
        _percentiles(report),
        html.heading("Latency in the course of the run", 3),
        _latencies(report),
        html.heading("Requests a second in the course of the run", 3),
        _volume(report),
    ]


def _nines(share: float) -> float:
    return -math.log10(max(1 - share, 10.0**-_NINES))


def _percentiles(report: Report) -> str:
    ticks = [(0.0, "0 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")]
    x = svg.Axis(0.0, 0.9999, ticks, "share of the requests", _nines)
    y = svg.linear(0.0, max(value for _, value in report.curve), _short, "latency")
    return svg.chart("Latency by percentile", [svg.Line("latency", report.curve)], x, y)


def _latencies(report: Report) -> str:
    known = [row for row in _points(report) if row.max]
    lowest = min((row.p50 for row in known if row.p50), default=0.001)
    y = svg.logarithmic(lowest, max((row.max or 0.0 for row in known), default=1.0), _short, "latency")
    lines = [
        svg.Line("median", [(row.at, row.p50) for row in known if row.p50], svg.COLOURS[0]),
        svg.Line("p95", [(row.at, row.p95) for row in known if row.p95], svg.COLOURS[1], dashed=True),
        svg.Line("max", [(row.at, row.max) for row in known if row.max], svg.COLOURS[2]),
    ]
    return svg.chart("Latency by time", lines, _clock(report), y, _bands(report))


def _volume(report: Report) -> str:
    step, rows = _step(report), _points(report)
    lines = [
        svg.Line("good", [(row.at, row.ok / step) for row in rows], svg.COLOURS[3]),
        svg.Line("failed or skipped", [(row.at, (row.failed + row.skipped) / step) for row in rows], svg.COLOURS[4]),
    ]
    most = max((row.ok + row.failed + row.skipped for row in rows), default=1) / step
    y = svg.linear(0, most, lambda value: f"{value:g}", "requests a second, by the intended time")
    return svg.chart("Requests by time", lines, _clock(report), y, _bands(report))


def _step(report: Report) -> int:
    """Seconds for a point of a chart."""
    return max(1, math.ceil(report.seconds / MOST_POINTS))


def _points(report: Report) -> list[SecondRow]:
    """The timeline, also where there was nothing; of a long run several seconds are one point, by their worst."""
    step = _step(report)
    found: list[SecondRow] = []
    known = {row.at: row for row in report.timeline}
    for at in range(0, max(1, math.ceil(report.seconds)), step):
        rows = [known[each] for each in range(at, at + step) if each in known]
        counts = (sum(row.ok for row in rows), sum(row.failed for row in rows), sum(row.skipped for row in rows))
        worst = (_most(row.p50 for row in rows), _most(row.p95 for row in rows), _most(row.max for row in rows))
        found.append(SecondRow(at, *counts, *worst))
    return found


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _clock(report: Report) -> svg.Axis:
    return svg.linear(0, max(report.scenario.duration, 1.0), lambda value: f"{value:g} s", "time", 8)


def _bands(report: Report) -> list[svg.Band]:
    warm = report.scenario.warm_up
    return [svg.Band("warm-up", 0, warm)] if warm else []


def _short(value: float) -> str:
    return "0" if not value else f"{value * 1000:g} ms" if value < 1 else f"{value:g} s"


def _answers(report: Report) -> list[str]:
    if not report.errors:
        return []
    rows = []
    for each in report.errors:
        first = f"{each.request}, {each.at:g} s after the start"
        rows.append([html.text(f"{each.count:,}"), html.text(each.reason), html.text(first) + html.code(each.answer)])
    return [html.heading("Errors"), html.table(("count", "what", "the first one"), rows, ("count",))]


# ---------------------------------------------------------------- CI


def as_markdown(report: Report) -> str:
    """A summary for a job's page, under 64 KiB."""
    marks = {True: "✅", False: "❌"}
    judged = [(marks[row.holds], row.name, row.shown) for row in report.thresholds]
    samples = [(f"{each.count:,}", each.reason, each.request) for each in report.errors]
    return markdown.document(
        [
            f"## Load test {markdown.escape(report.scenario.name)}: {markdown.escape(headline(report))}",
            markdown.escape(about(report)),
            *([markdown.table(("", "threshold", "measured"), judged, ("measured",))] if judged else []),
            markdown.table(COLUMNS, [counts(*each) for each in groups(report)], COLUMNS[1:]),
            markdown.escape(rates(report.total)),
            markdown.table(TIMES, [*(times(*each) for each in groups(report)), service(report.total)], TIMES[1:]),
            *([markdown.table(("count", "error", "request"), samples, ("count",))] if samples else []),
        ]
    )


def as_junit(report: Report) -> bytes:
    """A case for each threshold; a run that is invalid or incomplete is an error of its own."""
    name = report.scenario.name
    cases = [
        Case(name, row.name)
        if row.holds
        else Case(name, row.name, Result.FAILED, f"{row.name} is {row.shown}", "threshold", _details(report))
        for row in report.thresholds
    ]
    if report.status in ("invalid", "interrupted"):
        cases.insert(0, Case(name, "the run is valid", Result.ERROR, headline(report), report.status))
    else:
        cases.insert(0, Case(name, "the run is valid"))
    started = datetime.fromisoformat(report.started)
    return junit(f"load-test {name}", cases, started=started, seconds=report.seconds)


def _details(report: Report) -> str:
    lines = [" ".join(times("latency", report.total)), rates(report.total)]
    lines += [f"{each.count} × {each.reason} ({each.request}): {each.answer}" for each in report.errors]
    return "\n".join(lines)
