"""Prints how two sets of load-test runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from perkie_cli.cli.loadtest.rows import LoadChangeRow
from perkie_cli.cli.render import Report as Printed
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import PerkieError, ThresholdsFailed

if TYPE_CHECKING:
    from perkie_cli.loadtest.compare import Change, Comparison


def compared(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]], *, min_change: float) -> Printed:
    """What ``load-test compare`` prints."""
    from perkie_cli.loadtest.compare import compare

    found = compare(a, b, least=min_change)
    summary = {"a": len(a), "b": len(b), "judged": found.judged}
    rows = [change_row(change) for change in found.changes]
    return Printed(results=rows, summary=summary, text=differences(found), error=regression(found))


def change_row(change: Change) -> LoadChangeRow:
    """The row of the envelope."""
    return LoadChangeRow(
        change.measure, change.a, change.b, change.ratio, change.p, change.detectable, change.regressed
    )


def differences(found: Comparison) -> list[str | Table]:
    """A table of changes, and what it is worth."""
    rows = [
        (
            change.measure,
            f"{change.a:.4g}",
            f"{change.b:.4g}",
            f"× {change.ratio:.3g}",
            "–" if change.p is None else f"{change.p:.3g}",
            "–" if change.detectable is None else f"× {change.detectable:.3g}",
            "worse" if change.regressed else "",
        )
        for change in found.changes
    ]
    columns = ("figure", "A", "B", "B / A", "p", "seen from", "")
    table = Table(columns, rows, frozenset(columns[1:6]))
    if found.judged:
        return [table]
    few = f"{found.runs[0]} and {found.runs[1]} runs are too few to judge: this may be the noise. Use --repeat 5."
    return [table, few]


def regression(found: Comparison) -> PerkieError | None:
    """The error of a side B that is worse."""
    if not found.regressions:
        return None
    worse = ", ".join(f"{change.measure} × {change.ratio:.3g} (p = {change.p:.2g})" for change in found.regressions)
    return ThresholdsFailed(f"B is worse than A: {worse}")
