"""What is printed of load tests, while they run and at their end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perkie_cli.cli.loadtest.rows import LoadRunRow
from perkie_cli.cli.table import Table
from perkie_cli.domain.units import format_duration

if TYPE_CHECKING:
    from perkie_cli.loadtest.load import Run
    from perkie_cli.loadtest.report import Report


def screen(run: Run, judgements: Sequence[Any]) -> Sequence[str | Table]:
    """A run while it goes on."""
    from perkie_cli.loadtest.pages import seconds
    from perkie_cli.loadtest.tally import Outcome

    whole = run.tally.series()
    warming = " (warm-up)" if run.seconds < run.scenario.warm_up else ""
    figures = [f"p{share * 100:g} {seconds(whole.quantile(share))}" for share in (0.5, 0.95, 0.99)]
    good, skipped = whole.outcomes[Outcome.OK], whole.outcomes[Outcome.SKIPPED]
    marks = {True: "✓", False: "✗"}
    rows = [("·" if each.value is None else marks[each.holds], each.threshold.name, each.shown) for each in judgements]
    return [
        f"{format_duration(run.seconds)} of {format_duration(run.scenario.duration)}{warming}",
        f"{good:,} good, {whole.failed:,} failed, {skipped:,} skipped, {run.tally.warm_up.meant:,} in the warm-up",
        "  ".join(figures),
        Table(("", "threshold", "now"), rows),
    ]


def row_of(report: Report, written: Sequence[Path]) -> LoadRunRow:
    """The row of one run."""
    return LoadRunRow(
        scenario=report.scenario.name,
        target=report.target,
        status=report.status,
        ending=report.ending,
        invalid=report.invalid,
        seed=report.scenario.seed,
        started=report.started,
        seconds=report.seconds,
        thresholds=report.thresholds,
        total=report.total,
        reports=written,
    )


def text_of(report: Report) -> Iterator[str | Table]:
    """All that is printed of one run."""
    from perkie_cli.loadtest.pages import COLUMNS, TIMES, counts, groups, headline, rates, service, times

    yield headline(report)
    if report.thresholds:
        rows = [("✓" if row.holds else "✗", row.name, row.shown) for row in report.thresholds]
        yield Table(("", "threshold", "measured"), rows, frozenset({"measured"}))
    yield Table(COLUMNS, [counts(*each) for each in groups(report)], frozenset(COLUMNS[1:]))
    latencies = [*(times(*each) for each in groups(report)), service(report.total)]
    yield Table(TIMES, latencies, frozenset(TIMES[1:]))
    yield rates(report.total)
    for each in report.errors:
        yield f"{each.count:,} × {each.reason} ({each.request}): {' '.join(each.answer.split())[:200]}"


def line_of(report: Report) -> str:
    """One run in a line."""
    from perkie_cli.loadtest.pages import headline, seconds

    return f"{headline(report)}, p95 {seconds(report.total.latency.p95)}"


def overview(reports: Sequence[tuple[str, Report]]) -> Table:
    """A line for each of several runs, by their labels."""
    from perkie_cli.loadtest.pages import percent, seconds

    rows = []
    for label, report in reports:
        total = report.total
        figures = (total.latency.p50, total.latency.p95, total.latency.p99)
        rows.append((label, report.target, report.status, *map(seconds, figures), percent(total.error_rate)))
    columns = ("run", "target", "status", "p50", "p95", "p99", "errors")
    return Table(columns, rows, frozenset(columns[3:]))
