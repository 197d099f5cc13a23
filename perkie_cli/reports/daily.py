"""The daily digest as Markdown, for a mail or a channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from perkie_cli.domain.digest import Digest, Served
from perkie_cli.domain.money.report import SpendTotal
from perkie_cli.domain.money.spend import dollars
from perkie_cli.domain.runs import Status
from perkie_cli.reports.markdown import document, table

TOP = 10  # rows of a table


def as_markdown(digest: Digest) -> str:
    """The digest, the numbers that somebody has to know first."""
    return document([*_parts(digest)])


def _parts(digest: Digest) -> Iterator[str]:
    yield f"# perkie on {digest.day} (UTC)"
    yield table(("", ""), [*_head(digest)])
    if digest.by_style:
        yield "## Spending"
        yield _spending(digest.by_style)
        ahead = digest.ahead
        over = f"the last {ahead.days} days" if ahead.days > 1 else "this day"
        yield f"At the mean of {over}, {_usd(ahead.usd_per_day)}: {_usd(ahead.usd_per_month)} in 30 days."
    if digest.drawn:
        yield "## Pictures that were drawn"
        rows = sorted(digest.drawn.items(), key=lambda each: -each[1])
        yield table(("style", "engine", "pictures"), [(*key, count) for key, count in rows[:TOP]], ("pictures",))
    if digest.served is not None:
        yield "## Pictures that customers asked for (by the log)"
        yield table(("", ""), [*_served(digest.served)])
    if digest.runs:
        yield "## Runs over many photos"
        yield table(("run", "state", "made", "failed", "cost"), [*_runs(digest)], ("made", "failed", "cost"))


def _head(digest: Digest) -> Iterator[tuple[str, str]]:
    spent, cap = digest.spent, digest.cap
    share = f" of the cap of {_usd(cap)} ({spent.usd / cap * 100:.0f} %)" if cap else ""
    yield "spent", f"{dollars(spent.usd)}{share}"
    if spent.wasted_usd or spent.possible_usd:
        yield "of it", f"wasted {dollars(spent.wasted_usd)}, unknown {dollars(spent.possible_usd)}"
    yield "pictures drawn", _listed(digest.drawn_by(1))
    yield "older pictures shown again", str(digest.used_again)
    if digest.substitutes:
        yield "substitutes kept", str(digest.substitutes)
    failures = dict(digest.failures)
    for code, count in digest.served.failures.items() if digest.served is not None else ():
        failures[code] = failures.get(code, 0) + count
    yield "failed", _listed(failures)
    yield "top styles", _listed(digest.served.by_style if digest.served else digest.drawn_by(0))
    if digest.changes:
        yield "changes by hand", f"{digest.changes} (perkie audit list --since {digest.day})"


def _served(served: Served) -> Iterator[tuple[str, str]]:
    share = served.found / served.pictures * 100 if served.pictures else 0
    yield "pictures", str(served.pictures)
    yield "from the cache", f"{served.found} ({share:.0f} %)"
    yield "substitutes", str(served.degraded)
    yield "failed", _listed(served.failures)


def _spending(by_style: Mapping[str, SpendTotal]) -> str:
    rows = [
        (style or "(not booked)", each.calls, each.pictures, dollars(each.usd), dollars(each.wasted_usd))
        for style, each in by_style.items()
    ]
    names = ("style", "calls", "pictures", "cost", "wasted")
    return table(names, rows, names[1:])


def _runs(digest: Digest) -> Iterator[Sequence[object]]:
    for run in digest.runs[:TOP]:
        made = sum(run.counts.get(status, 0) for status in (Status.DONE, Status.CACHED, Status.DEGRADED))
        yield run.id, run.outcome.value, made, run.failed, dollars(run.usd)


def _listed(counts: Mapping[str, int]) -> str:
    """``120 (80 gemini, 40 local)``."""
    if not counts:
        return "0"
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:TOP]
    return f"{sum(counts.values())} ({', '.join(f'{count} {name}' for name, count in ordered)})"


def _usd(amount: Decimal) -> str:
    return f"${amount:,.2f}"
