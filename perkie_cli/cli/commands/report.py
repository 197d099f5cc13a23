"""``perkie report``: what runs over many photos did."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.batch.files import STDIO, write_private
from perkie_cli.batch.logbook import alive
from perkie_cli.batch.thumbnails import Thumbnails, downloading
from perkie_cli.cli import complete
from perkie_cli.cli.batch.rows import ItemRow, RunRow
from perkie_cli.cli.records.logs import lines_of
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.row_parts import FileRow
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.cli.table import Table
from perkie_cli.domain.digest import Digest, Served, served
from perkie_cli.domain.errors import InvalidParameter, NotFound, UsageError
from perkie_cli.domain.money.spend import dollars
from perkie_cli.domain.runs import Item, Outcome, Run, Status
from perkie_cli.domain.units import format_duration, parse_duration
from perkie_cli.ops.daily import Sources, digest
from perkie_cli.reports.batch_csv import as_csv
from perkie_cli.reports.batch_html import PER_PAGE, page, page_name
from perkie_cli.reports.daily import as_markdown
from perkie_cli.telemetry.log_file import read_pictures

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

app = typer.Typer(help="Show what runs over many photos did, also of one that goes on or was killed.")

_STATES = [status for status in Status if status is not Status.PLANNED]


@app.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The newest N runs.")] = 20,
) -> None:
    """List runs, newest first. They are kept for 90 days.

    Examples:

      perkie report list

      perkie report list --limit 5 --json
    """

    async def work(services: Services) -> Report:
        found = [_as_it_is(services, each) for each in services.journal.runs(limit)]
        rows = [
            (each.id, each.outcome.value, each.total, each.failed or "", dollars(each.usd), _typed(each))
            for each in found
        ]
        names = ("run", "state", "items", "failed", "cost", "command")
        table = Table(names, rows, frozenset({"items", "failed", "cost"}))
        if not found:
            renderer_of(ctx).say("no runs yet")
        return Report([_run_row(each) for each in found], {"count": len(found)}, [table] if found else ())

    run(ctx, work)


@app.command()
def show(
    ctx: typer.Context,
    id_: Annotated[
        str, typer.Argument(metavar="RUN", help="Its id or the beginning of it (default: the newest).")
    ] = "",
    status: Annotated[
        list[str] | None,
        typer.Option(
            metavar="|".join(_STATES), help="Only these items (repeatable).", autocompletion=complete.among(_STATES)
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the items as CSV; - is stdout.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write pages with before and after, for a browser.")
    ] = None,
) -> None:
    """Show one run: each item with its state, time, cost and error.

    Examples:

      perkie report show

      perkie report show 20261129-0300 --status failed --csv failed.csv

      perkie report show --html report/
    """
    renderer = renderer_of(ctx)
    chosen = _statuses(status or [])

    async def work(services: Services) -> Report:
        found = _as_it_is(services, _found(services, id_))
        items = services.journal.items(found.id, chosen)
        if csv is not None:
            return _csv(renderer, found, items, csv)
        if html is not None:
            download = downloading(lambda: services.buckets, asyncio.get_running_loop(), services.limits.max_bytes)
            thumbnails = Thumbnails(html, Path(found.folder), services.limits, download)
            return await services.workers.run(_html, services, renderer, found, thumbnails, items, html)
        shown = list(items)
        return Report([_item_row(each) for each in shown], _summary(found), [*_heading(found), _table(shown)])

    run(ctx, work)


def _age(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidParameter(f"--since: {error}") from error


@app.command()
def merge(
    ctx: typer.Context,
    places: Annotated[
        list[str], typer.Argument(metavar="PLACE", help="Output folders or gs:// prefixes, or journals in them.")
    ],
    since: Annotated[
        timedelta | None, typer.Option(parser=_age, metavar="TIME", help="Only runs that began within this time.")
    ] = None,
) -> None:
    """Join the journals of shards and of repeated attempts into one run, and record it here.

    Runs with --shard, or with outputs in a bucket, keep their journals beside the outputs, in
    .perkie/runs/. Each output counts once, in its latest state, with the money of all attempts.

    Examples:

      perkie report merge gs://bucket/gallery/ --since 24h

      perkie report merge gallery/.perkie/runs/nightly-x7k2p/
    """

    async def work(services: Services) -> Report:
        from perkie_cli.cli.batch.merging import merge as merge_runs

        return await merge_runs(services, renderer_of(ctx), places, since)

    run(ctx, work)


@app.command()
def daily(
    ctx: typer.Context,
    logs: Annotated[
        list[Path] | None, typer.Argument(metavar="[LOG]...", help="Logs of servers, text or JSON; - is stdin.")
    ] = None,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="A UTC day (default: yesterday).")
    ] = None,
) -> None:
    """Print what happened yesterday as Markdown, for a mail: pictures, spending, failures, runs.

    From the ledger, the cache, the journal and the audit file; hits, substitutes and failures of customers
    are only in a server's log.

    Examples:

      perkie report daily

      perkie report daily server.log --day 2026-11-29 > digest.md
    """

    async def work(services: Services) -> Report:
        chosen = services.clock.now().date() - timedelta(days=1) if day is None else day.date()
        events = [event for when, event in read_pictures(lines_of(logs or [])) if when.date() == chosen]
        sources = Sources(
            services.ledger,
            services.blobs,
            services.journal,
            services.audit.records(),
            services.settings.gemini.daily_cap_usd,
            served(events),
        )
        found = await digest(sources, chosen)
        return Report((), _numbers(found), as_markdown(found).rstrip().split("\n"))

    run(ctx, work)


def _numbers(found: Digest) -> dict[str, object]:
    """The digest for the envelope."""
    seen = found.served
    return {
        "day": found.day,
        "spent": found.spent,
        "daily_cap_usd": found.cap,
        "drawn_by_style": found.drawn_by(0),
        "drawn_by_engine": found.drawn_by(1),
        "used_again": found.used_again,
        "substitutes": found.substitutes,
        "failures": found.failures,
        "changes": found.changes,
        "served": None if seen is None else _served(seen),
    }


def _served(seen: Served) -> dict[str, object]:
    return {
        "pictures": seen.pictures,
        "found": seen.found,
        "degraded": seen.degraded,
        "by_cache": seen.by_cache,
        "by_style": seen.by_style,
        "failures": seen.failures,
    }


def _statuses(words: Sequence[str]) -> frozenset[Status]:
    try:
        return frozenset(Status(word) for word in words)
    except ValueError as error:
        raise UsageError(str(error), hint=f"States: {', '.join(_STATES)}.") from None


def _found(services: Services, beginning: str) -> Run:
    runs = services.journal.find(beginning)
    if not runs:
        raise NotFound(f"there is no run {beginning}".rstrip(), hint="`perkie report list` shows them.")
    if len(runs) > 1:
        raise UsageError(f"{len(runs)} runs begin with {beginning}", hint=", ".join(each.id for each in runs))
    return runs[0]


def _as_it_is(services: Services, found: Run) -> Run:
    """The run with its true state: one whose process is gone was killed."""
    if found.outcome is Outcome.RUNNING and not services.locks.is_held(alive(found.id)):
        return replace(found, outcome=Outcome.KILLED)
    return found


def _typed(found: Run) -> str:
    return shlex.join(found.words)


def _heading(found: Run) -> Iterator[str]:
    yield f"{found.id}: perkie {_typed(found)}"
    counts = [f"{count} {status.value}" for status, count in found.counts.items()]
    took = "" if found.ended is None else f", {format_duration((found.ended - found.begun).total_seconds())}"
    yield f"{found.outcome.value}: {', '.join(counts)}, {dollars(found.usd)}{took}, in {found.folder}\n"


def _table(items: Sequence[Item]) -> Table:
    rows = [
        (
            item.status.value,
            item.source,
            item.style,
            format_duration(item.seconds) if item.seconds else "",
            dollars(item.usd) if item.usd else "",
            item.attempts or "",
            f"{item.code}: {item.message}" if item.code else item.output,
        )
        for item in items
    ]
    names = ("state", "photo", "style", "time", "cost", "tries", "output or error")
    return Table(names, rows, frozenset({"time", "cost", "tries"}))


def _csv(renderer: Renderer, found: Run, items: Iterator[Item], path: Path) -> Report:
    if path == STDIO:
        return Report([], _summary(found), [line.rstrip("\r\n") for line in as_csv(items)])
    write_private(path, "".join(as_csv(items)).encode())
    renderer.say(f"written: {path}")
    return Report([FileRow(path)], _summary(found), [str(path)])


def _html(
    services: Services,
    renderer: Renderer,
    found: Run,
    thumbnails: Thumbnails,
    items: Iterator[Item],
    folder: Path,
) -> Report:
    """Writes the pages. They show customers' pets: only this user may read them."""
    total = sum(1 for _ in services.journal.items(found.id))
    pages = max(1, -(-total // PER_PAGE))
    with renderer.progress(total, "") as bar:
        for number in range(1, pages + 1):
            shown = []
            for each in thumbnails.shown(islice(items, PER_PAGE)):
                shown.append(each)
                bar.advance(each.item.source)
            write_private(folder / page_name(number), page(found, shown, number, pages).encode())
    index = folder / page_name(1)
    return Report([FileRow(index)], _summary(found), [str(index)])


def _summary(found: Run) -> dict[str, object]:
    return {"run": found.id, "state": found.outcome, "total": found.total, "cost_usd": found.usd}


def _run_row(found: Run) -> RunRow:
    counts = {status.value: count for status, count in found.counts.items()}
    return RunRow(
        found.id, found.words, found.folder, found.begun, found.ended, found.outcome, found.total, counts, found.usd
    )


def _item_row(item: Item) -> ItemRow:
    return ItemRow(
        item.source,
        item.output,
        item.style or None,
        item.status,
        item.attempts,
        item.seconds,
        item.usd,
        item.engine or None,
        item.code or None,
        item.message or None,
        item.hint or None,
    )
