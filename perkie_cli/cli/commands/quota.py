"""``perkie quota``: show, reset, grant and charge quotas."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli.options import DryRun, Yes
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.domain.errors import UsageError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner, Tier
from perkie_cli.domain.quotas.limits import CounterState

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.services.quotas.admin import CounterChange, QuotaAdmin

MOST = 1_000_000  # pictures a change: stores count in 64 bits

app = typer.Typer(help="Show, reset, grant and charge quotas.")

Customer = Annotated[str | None, typer.Option("--customer", metavar="ID", help="This customer.")]
Session = Annotated[str | None, typer.Option("--session", metavar="ID", help="This session.")]
Address = Annotated[
    str | None, typer.Option("--ip", metavar="ADDR", help="This address, and the ceiling of its sessions.")
]
All = Annotated[bool, typer.Option("--all", help="All counters of today: of whoever used or was granted any.")]


@frozen
class CounterChangeRow:
    """A counter before and after a change of so many ``pictures``, negative if they were taken back."""

    counter: str
    pictures: int
    before: CounterState
    after: CounterState

    @classmethod
    def of(cls, change: CounterChange) -> CounterChangeRow:
        """The row of a change."""
        return cls(change.after.counter, change.pictures, change.before, change.after)


@app.command()
def show(
    ctx: typer.Context,
    customer: Customer = None,
    session: Session = None,
    ip: Address = None,
    all_: All = False,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="With --all: stop after this many.")] = 50,
) -> None:
    """Show how many pictures were used today and how many are left.

    Examples:

      perkie quota show --customer 42

      perkie quota show --all --json
    """
    renderer = renderer_of(ctx)
    owner = _owner(customer, session, ip, all_)

    async def work(services: Services) -> Report:
        shown: list[CounterState] = []
        async for state in services.quota_admin.show(owner):
            if len(shown) == limit:
                renderer.say(f"… and more; --limit {limit * 10} shows more of them")
                break
            shown.append(state)
        if not shown:
            renderer.say("nobody used anything today")
        return Report(
            results=shown,
            summary={"store": services.documents.name, "count": len(shown)},
            text=[line for state in shown for line in (_line(state), *_uses(state, owner))],
        )

    run(ctx, work)


@app.command()
def reset(
    ctx: typer.Context,
    customer: Customer = None,
    session: Session = None,
    ip: Address = None,
    all_: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Set today's use to zero. Pictures that are being drawn keep their reservation and will count.

    Examples:

      perkie quota reset --customer 42

      perkie quota reset --all --dry-run
    """
    renderer = renderer_of(ctx)
    owner = _owner(customer, session, ip, all_)
    _change(
        ctx, renderer, owner, "reset", "nothing was used", lambda admin: admin.reset(owner), dry_run=dry_run, yes=yes
    )


@app.command()
def grant(
    ctx: typer.Context,
    count: Annotated[
        int, typer.Argument(min=-MOST, max=MOST, metavar="N", help="Pictures; a negative number takes a grant back.")
    ],
    customer: Customer = None,
    session: Session = None,
    ip: Address = None,
    all_: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Grant more pictures for today, until midnight UTC.

    Examples:

      perkie quota grant 5 --customer 42

      perkie quota grant --customer 42 --yes -- -5
    """
    renderer = renderer_of(ctx)
    owner = _owner(customer, session, ip, all_)
    if count == 0:
        raise UsageError("a grant of 0 pictures changes nothing")
    idle = "there was no grant to take back; `perkie quota charge N` books pictures as used"
    verb, step = f"grant {count} to", lambda admin: admin.grant(owner, count)
    _change(ctx, renderer, owner, verb, idle, step, count, dry_run=dry_run, yes=yes)


@app.command()
def charge(
    ctx: typer.Context,
    count: Annotated[
        int, typer.Argument(min=-MOST, max=MOST, metavar="N", help="Pictures; a negative number takes uses off.")
    ],
    customer: Customer = None,
    session: Session = None,
    ip: Address = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Book pictures as used today, such as those that a corrupt store has lost. It may go over the limit.

    Who drew how many, by the spend ledger: perkie cost report --days 1 --by customer

    Examples:

      perkie quota charge 4 --customer 42

      perkie quota charge --customer 42 --yes -- -1
    """
    renderer = renderer_of(ctx)
    if len(named := _named(customer, session, ip)) != 1:
        raise _whose("--customer, --session and --ip")
    if count == 0:
        raise UsageError("a charge of 0 pictures changes nothing")
    verb, step = f"charge {count} to", lambda admin: admin.charge(named[0], count)
    _change(ctx, renderer, named[0], verb, "there was no use to take off", step, count, dry_run=dry_run, yes=yes)


def _change(
    ctx: typer.Context,
    renderer: Renderer,
    owner: Owner | None,
    verb: str,
    idle: str,
    step: Callable[[QuotaAdmin], AsyncIterator[CounterChange]],
    count: int = 0,
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    async def work(services: Services) -> Report:
        store = services.documents.name
        found = [state async for state in services.quota_admin.show(owner)]
        if dry_run:
            summary = {"store": store, "count": len(found), "dry_run": True}
            lines = [f"would {verb} {_line(state)}" for state in found]
            return Report(results=found, summary=summary, text=lines)
        whole = f"{len(found)} counter{'s' * (len(found) != 1)}"
        target = whole if owner is None else ", ".join(state.counter for state in found)
        renderer.confirm(f"{verb.capitalize()} {target} in {store}?", yes=yes, typed="all" if owner is None else None)
        changes = [change async for change in step(services.quota_admin)]
        if changes and not any(change.is_one for change in changes):
            renderer.say(f"nothing changed: {idle}")
        for each in changes:
            if count < each.pictures < 0:
                counter = each.after.counter
                renderer.warn(f"only {-each.pictures} of {-count} were taken back from {counter}: it had no more")
        return Report(
            results=[CounterChangeRow.of(each) for each in changes],
            summary={"store": store, "count": len(changes), "dry_run": False},
            text=[_line(change.after) for change in changes],
        )

    run(ctx, work)


def _owner(customer: str | None, session: str | None, ip: str | None, all_: bool) -> Owner | None:
    """The owner named by the flags; None for all."""
    named = _named(customer, session, ip)
    if len(named) + all_ != 1:
        raise _whose("--customer, --session, --ip and --all")
    return named[0] if named else None


def _named(customer: str | None, session: str | None, ip: str | None) -> list[Owner]:
    makes = ((Owner.customer, customer), (Owner.session, session), (Owner.address, ip))
    return [make(id_) for make, id_ in makes if id_ is not None]


def _whose(flags: str) -> UsageError:
    return UsageError(f"whose quota? Use one of {flags}", hint="For example: --customer 42.")


def _uses(state: CounterState, owner: Owner | None) -> Sequence[str]:
    """When one owner's pictures were counted, and where each of them is told of."""
    if owner is None or not state.uses:
        return ()
    times = ", ".join(f"{each:%H:%M:%S}" for each in state.uses)
    named = f"; which ones: perkie events LOG --{owner.tier} {owner.id}" if owner.tier is not Tier.IP else ""
    return (f"  counted at {times} UTC{named}",)


def _line(state: CounterState) -> str:
    work = f", {state.in_flight} in progress" if state.in_flight else ""
    resets = f"{state.reset_at:%Y-%m-%d %H:%M} UTC"
    return f"{state.counter}  {state.used} of {state.limit} used{work}, {state.remaining} left until {resets}"
