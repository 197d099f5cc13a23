"""``perkie cache``: inspect, purge and verify stored pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.batch.files import STDIO, write_atomically
from perkie_cli.cli import complete
from perkie_cli.cli.choices import output_in, owner_of
from perkie_cli.cli.options import Acknowledged, BudgetDollars, DryRun, Jobs, ShardOf, Yes
from perkie_cli.cli.records.since import Since, begin_of
from perkie_cli.cli.render import Report
from perkie_cli.cli.row_parts import as_fields
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.cli.storage.filters import filtered
from perkie_cli.cli.storage.listing import ByFolder, amount_of, found_wrong, row_of, tallied
from perkie_cli.cli.storage.purge import Purge, booked, confirm, described, nothing_of, off
from perkie_cli.cli.storage.rows import FetchedRow, FindingRow, ObjectRow
from perkie_cli.domain.errors import ChangesPending, InvalidParameter, OutputExists
from perkie_cli.domain.pictures.orders import Then, Via
from perkie_cli.domain.storage.selection import WarmBy, total
from perkie_cli.domain.units import parse_duration
from perkie_cli.services.storage.filter import Filter

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

app = typer.Typer(help="Inspect, check and clear stored pictures.")


def _duration(option: str) -> Callable[[str], timedelta]:
    def parsed(text: str) -> timedelta:
        try:
            return parse_duration(text)
        except ValueError as error:
            raise InvalidParameter(f"{option}: {error}") from error

    return parsed


WarmStyles = Annotated[
    list[str] | None,
    typer.Option(
        "--style",
        "-s",
        metavar="ID[,ID…]|all|popular",
        help="Styles to draw (repeatable; default: popular).",
        autocompletion=complete.styles,
    ),
]
WarmVia = Annotated[
    Via,
    typer.Option(
        "--via",
        metavar="|".join(Via),
        help="batch-api: at half the price, within a day; this run orders, a later one collects.",
    ),
]
WarmCutOut = Annotated[bool, typer.Option("--remove-bg", help="Cut the pet out first, as the widget asks for it.")]
GiveUpAfter = Annotated[
    timedelta,
    typer.Option(
        parser=_duration("--give-up-after"), metavar="TIME", help="Cancel an order of the Batch API that is older."
    ),
]
ThenWhat = Annotated[
    Then, typer.Option("--then", metavar="|".join(Then), help="What an order did not bring is drawn online, or left.")
]
WarmStatus = Annotated[bool, typer.Option("--status", help="Show open orders and the last run; do nothing.")]


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
        limit = services.settings.cache.max_size if services.settings.cache.store == "disk" else None
        return tallied(await services.cache_keeping.stats(chosen), store=services.blobs.name, max_size=limit)

    run(ctx, work)


@app.command()
@filtered
def inspect(
    ctx: typer.Context,
    chosen: Filter,
    since: Since = None,
    degraded: Annotated[
        bool, typer.Option("--degraded", help="Only substitutes that were drawn because the engine could not.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Stop after this many.")] = 50,
) -> None:
    """List objects: size, last use (UTC), engine, key. On a terminal by folder, with hashes shortened.

    --since means when they were stored.

    Examples:

      perkie cache inspect --customer 42

      perkie cache inspect --degraded --since 2h --prefix generated/

      perkie cache inspect --style ink_wash --larger-than 1MiB --json
    """
    renderer = renderer_of(ctx)
    row = ByFolder() if renderer.prints_for_a_person else row_of

    async def work(services: Services) -> Report:
        shown: list[ObjectRow] = []
        count, begin = 0, begin_of(since, services.clock.now())
        async for info in services.cache_keeping.inspect(chosen):
            if info.created < begin or (degraded and "degraded" not in info.metadata):
                continue
            if count == limit:
                renderer.say(f"… and more; --limit {limit * 10} shows more of them")
                break
            count += 1
            if renderer.flags.json:
                shown.append(ObjectRow(**as_fields(info)))
            else:
                renderer.line(row(info))
        if not count:
            renderer.say(f"nothing is stored in {services.blobs.name} of: {described(chosen) or 'anybody'}")
        return Report(results=shown, summary={"store": services.blobs.name, "count": count})

    run(ctx, work)


@app.command()
def get(
    ctx: typer.Context,
    key: Annotated[
        str,
        typer.Argument(metavar="KEY", help="As inspect prints it, also shortened.", autocompletion=complete.keys),
    ],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Output file, or a folder as DIR/; - is stdout."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Copy one object out of the cache: an upload, a picture or a cut-out. Leaves an audit record.

    Without -o the file has the name of the object and stands in the current folder.

    Examples:

      perkie cache get shared/59/596aa1e7…_ink_wash_e8b4f64deb1d.jpg -o cat.jpg
    """
    renderer = renderer_of(ctx)
    if output == str(STDIO):
        renderer.check_takes_pictures()

    async def work(services: Services) -> Report:
        blob = await services.cache_keeping.fetch(key)
        if output == str(STDIO):
            renderer.picture(blob.data)
            return Report()
        target = output_in(output or "./", blob.info.key.rpartition("/")[2])
        if target.exists() and not force:
            raise OutputExists(f"{target} exists", hint="Use --force to replace it, or -o for another file.")
        write_atomically(target, blob.data)
        return Report([FetchedRow(**as_fields(blob.info), output=target)], text=[str(target)])

    run(ctx, work)


@app.command()
@filtered
def purge(
    ctx: typer.Context,
    chosen: Filter,
    dry_run: DryRun = False,
    yes: Yes = False,
    acknowledged: Acknowledged = None,
    receipt: Annotated[
        Path | None,
        typer.Option("--receipt", metavar="FILE", help="Write what was removed, and what was not, as JSON."),
    ] = None,
) -> None:
    """Remove objects. For a customer or session also the shared copies and cut-outs of the same pictures.

    --customer or --session alone is an erasure: the quota counters go, too, what was spent loses the name, and nothing
    found is an error (exit 3).
    An interrupted purge can be run again.

    Examples:

      perkie cache purge --expired --yes

      perkie cache purge --customer 42 --dry-run

      perkie cache purge --customer 42 --receipt erased-42.json
    """
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        planned = await services.cache_keeping.would_purge(chosen)
        amount, store = amount_of(total(planned)), services.blobs.name
        named = await booked(services, chosen) if dry_run else 0
        if not (planned or named) and (dry_run or chosen.owner is None):
            if chosen.erases:
                raise nothing_of(chosen)
            renderer.say("nothing to remove")
            return tallied(planned, store=store, dry_run=dry_run)
        if dry_run:
            renderer.say(f"would remove {amount} from {store}")
            if named:
                renderer.say(f"would take {off(named)}")
            return tallied(planned, store=store, dry_run=True)
        confirm(renderer, chosen, amount, store, yes=yes)
        done = Purge(services, chosen, services.clock.now())
        error = await done.run(acknowledged, receipt)
        if error is not None and not done.removed:
            raise error
        renderer.say(f"removed {amount_of(total(done.totals))}")
        if done.counters is not None:
            renderer.say(f"forgot {done.counters} quota counter{'s' * (done.counters != 1)}")
        if done.bookings:
            renderer.say(f"took {off(done.bookings)}")
        forgotten = {"quota_counters": done.counters, "bookings_unnamed": done.bookings}
        more = {name: count for name, count in forgotten.items() if count is not None}
        return replace(tallied(done.totals, store=store, dry_run=False, receipt=receipt, **more), error=error)

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
            why = f": {finding.detail}" if finding.detail else ""
            renderer.say(f"{finding.kind}: {finding.key} ({done}){why}")
        renderer.say("all whole" if not found else f"{len(found)} found")
        command = f"perkie cache verify --repair{'' if renderer.interactive else ' --yes'}"
        hint = f"`{command}` removes what is broken and keeps what is whole."
        pending = ChangesPending(f"{services.blobs.name}: {found_wrong(found)}", hint=hint)
        summary = {"store": services.blobs.name, "found": len(found), "repaired": mend}
        return Report(found, summary, error=pending if found and not mend else None)

    run(ctx, work)


@app.command()
def restore(
    ctx: typer.Context,
    customer: Annotated[str | None, typer.Option(metavar="ID", help="Only objects of this customer.")] = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Only objects of this session.")] = None,
    hash_: Annotated[str | None, typer.Option("--hash", metavar="HEX", help="Only objects of this upload.")] = None,
    since: Since = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Bring back what a rule or a hand deleted in the bucket, from its versioning or soft delete.

    What was erased, removed by perkie or past its lifetime stays gone. Leaves an audit record.
    Without a filter everything comes back, --since when it went. Restore before you change rules or versioning.

    Examples:

      perkie cache restore --since 2d --dry-run

      perkie cache restore --customer 42 --yes
    """
    from perkie_cli.cli.storage.restore import Restore
    from perkie_cli.cli.storage.restore import restore as run_restore

    asked = Restore(Filter(owner_of(customer, session), hash_ and hash_.lower()), since, dry_run, yes)
    run(ctx, lambda services: run_restore(services, renderer_of(ctx), asked))


@app.command()
def warm(
    ctx: typer.Context,
    since: Annotated[
        timedelta,
        typer.Option(parser=_duration("--since"), metavar="TIME", help="Photos stored within this time, such as 24h."),
    ] = "24h",  # type: ignore[assignment]  # parsed
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many photos.")] = 100,
    by: Annotated[
        WarmBy, typer.Option(metavar="|".join(WarmBy), help="First the newest, or those that most owners uploaded.")
    ] = WarmBy.NEWEST,
    style: WarmStyles = None,
    remove_bg: WarmCutOut = False,
    budget: BudgetDollars = None,
    jobs: Jobs = 1,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another warmer to end, and for orders.")] = False,
    shard: ShardOf = None,
    via: WarmVia = Via.ONLINE,
    give_up_after: GiveUpAfter = "26h",  # type: ignore[assignment]  # parsed
    then: ThenWhat = Then.ONLINE,
    dry_run: DryRun = False,
    status: WarmStatus = False,
) -> None:
    """Draw pictures of recent uploads before anybody asks for them. Nobody's quota is charged.

    Pictures that are in the cache are left; substitutes are drawn again. If another warmer runs, this one says so and
    ends.
    One line at the end; `perkie report show` tells more.

    Examples:

      perkie cache warm --since 24h --limit 100 --budget 5

      perkie cache warm --style all --by uploads --dry-run

      perkie cache warm --since 3h --style ink_wash --remove-bg

      perkie cache warm --via batch-api --give-up-after 26h --then online

      perkie cache warm --status
    """

    async def work(services: Services) -> Report:
        from perkie_cli.batch.machines.shard import Shard
        from perkie_cli.cli.storage.ordering import OrderChoice
        from perkie_cli.cli.storage.ordering import status as order_status
        from perkie_cli.cli.storage.warm import Warm
        from perkie_cli.cli.storage.warm import warm as run_warm

        if status:
            return await order_status(services)
        styles = [each.id for each in services.styles.select(",".join(style or ["popular"]))]
        most = None if budget is None else Decimal(str(budget))
        orders = OrderChoice(give_up_after, then, wait, jobs, dry_run)
        chosen = Warm(since, limit, by, styles, remove_bg, most, jobs, dry_run, wait, via, orders, Shard.chosen(shard))
        return await run_warm(services, renderer_of(ctx), chosen)

    from perkie_cli.cli.batch.drawing import drawing_parts  # late: the other commands should start fast

    run(ctx, work, **drawing_parts(jobs))
