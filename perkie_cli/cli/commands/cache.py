"""``perkie cache``: inspect, purge and verify stored pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli.filters import filtered
from perkie_cli.cli.options import Acknowledged, DryRun, Yes
from perkie_cli.cli.render import Report
from perkie_cli.cli.rows import AreaRow, FindingRow, ObjectRow, as_fields
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.domain.errors import ChangesPending
from perkie_cli.domain.storage.selection import StoredTotal, total
from perkie_cli.domain.units import format_size
from perkie_cli.services.storage.keeping import Filter

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.ports import BlobInfo

app = typer.Typer(help="Inspect, check and clear stored pictures.")


@app.command()
@filtered
def stats(ctx: typer.Context, chosen: Filter) -> None:
    """Count objects and bytes by area.

    Examples:

      perkie cache stats

      perkie cache stats --expired

      perkie cache stats --customer 42 --json
    """

    async def work(services: Services) -> Report:
        return _tallied(await services.cache_keeping.stats(chosen), store=services.blobs.name)

    run(ctx, work)


@app.command()
@filtered
def inspect(
    ctx: typer.Context,
    chosen: Filter,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Stop after this many.")] = 50,
) -> None:
    """List objects: size, last use, engine, key.

    Examples:

      perkie cache inspect --customer 42

      perkie cache inspect --style ink_wash --larger-than 1MiB --json
    """
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        shown: list[ObjectRow] = []
        count = 0
        async for info in services.cache_keeping.inspect(chosen):
            if count == limit:
                renderer.say(f"… and more; --limit {limit * 10} shows more of them")
                break
            count += 1
            if renderer.flags.json:
                shown.append(ObjectRow(**as_fields(info)))
            else:
                renderer.line(_row(info))
        return Report(results=shown, summary={"store": services.blobs.name, "count": count})

    run(ctx, work)


@app.command()
@filtered
def purge(
    ctx: typer.Context,
    chosen: Filter,
    dry_run: DryRun = False,
    yes: Yes = False,
    acknowledged: Acknowledged = None,
) -> None:
    """Remove objects. For a customer or session also the shared copies and cut-outs of the same pictures.

    An interrupted purge can be run again.

    Examples:

      perkie cache purge --expired --yes

      perkie cache purge --customer 42 --dry-run
    """
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        planned = await services.cache_keeping.would_purge(chosen)
        whole = total(planned)
        if dry_run:
            renderer.say(f"would remove {_amount(whole)} from {services.blobs.name}")
            return _tallied(planned, store=services.blobs.name, dry_run=True)
        renderer.confirm(f"Remove {_amount(whole)} from {services.blobs.name}?", yes=yes)
        gone = await services.cache_keeping.purge(chosen, acknowledged)
        renderer.say(f"removed {_amount(total(gone))}")
        return _tallied(gone, store=services.blobs.name, dry_run=False)

    run(ctx, work)


@app.command()
@filtered
def verify(
    ctx: typer.Context,
    chosen: Filter,
    repair: Annotated[bool, typer.Option("--repair", help="Remove broken objects, recover lost uploads.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    acknowledged: Acknowledged = None,
) -> None:
    """Read every object and compare its hash; find the remains of crashes. Exit 8 when something is wrong.

    Examples:

      perkie cache verify

      perkie cache verify --repair --yes
    """
    renderer = renderer_of(ctx)
    mend = repair and not dry_run

    async def work(services: Services) -> Report:
        if mend:
            renderer.confirm(f"Repair {services.blobs.name}?", yes=yes)
        found: list[FindingRow] = []
        async for finding in services.cache_keeping.verify(chosen, repair=mend, acknowledged=acknowledged):
            found.append(FindingRow(**as_fields(finding)))
            done = finding.remedy if mend else f"would be {finding.remedy}"
            renderer.say(f"{finding.kind}: {finding.key} ({done})")
        renderer.say("all whole" if not found else f"{len(found)} found")
        pending = ChangesPending(
            f"{_objects(len(found))} of {services.blobs.name} found broken",
            hint="`perkie cache verify --repair` repairs them.",
        )
        summary = {"store": services.blobs.name, "found": len(found), "repaired": mend}
        return Report(found, summary, error=pending if found and not mend else None)

    run(ctx, work)


def _tallied(totals: Mapping[str, StoredTotal], **summary: object) -> Report:
    whole = total(totals)
    lines = [
        f"{'area':<20} {'objects':>9} {'size':>10}  unused since"
    ]  # without Rich: this should start as fast as `ls`
    lines += [_line(area, found) for area, found in {**totals, "all": whole}.items()]
    results = [AreaRow(area, each.count, each.bytes, each.oldest) for area, each in totals.items()]
    return Report(results, {**summary, "count": whole.count, "bytes": whole.bytes}, lines)


def _line(area: str, found: StoredTotal) -> str:
    return f"{area:<20} {found.count:>9} {format_size(found.bytes):>10}  {_day(found)}".rstrip()


def _day(found: StoredTotal) -> str:
    return "" if found.oldest is None else f"{found.oldest:%Y-%m-%d}"


def _amount(found: StoredTotal) -> str:
    return f"{_objects(found.count)} ({format_size(found.bytes)})"


def _objects(count: int) -> str:
    return f"{count} object{'s' * (count != 1)}"


def _row(info: BlobInfo) -> str:
    size, engine = format_size(info.size), info.metadata.get("engine", "")
    return f"{size:>10}  {info.touched:%Y-%m-%d %H:%M}  {engine:<7} {info.key}"
