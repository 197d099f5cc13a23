"""``perkie audit``: what was changed, by whom and when."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli.choices import owner_of
from perkie_cli.cli.records.folding import runs_shortened
from perkie_cli.cli.records.since import Since, begin_of
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.cli.table import Table

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.domain.records import AuditRecord

app = typer.Typer(help="Show what was changed, by whom and when.")


@app.callback()
def _group() -> None:
    """Keeps ``list`` a sub-command: an app with a single command would be that command."""


@app.command("list")
def list_(
    ctx: typer.Context,
    since: Since = None,
    customer: Annotated[str | None, typer.Option(metavar="ID", help="Only what concerns this customer.")] = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Only what concerns this session.")] = None,
    action: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only actions that begin so, such as quota or cache.purge.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The last N.")] = 50,
) -> None:
    """Show changes of quotas, the cache, lifetimes and files, the newest last.

    Of many changes of one kind in a row the first and the last are shown; --json has all.
    Each machine records what was changed from it; perkie config path names the file.

    Examples:

      perkie audit list --since 7d

      perkie audit list --customer 42 --action quota --json
    """
    renderer = renderer_of(ctx)
    owner = owner_of(customer, session)

    async def work(services: Services) -> Report:
        begin = begin_of(since, services.clock.now())
        audit = services.audit
        shown: deque[AuditRecord] = deque(maxlen=limit)
        found = 0
        for record in audit.records():
            right = record.time >= begin and (owner is None or record.concerns(str(owner)))
            if right and (action is None or record.action.replace(" ", ".").startswith(action.replace(" ", "."))):
                shown.append(record)
                found += 1
        if audit.unreadable:
            renderer.warn(f"{audit.unreadable} lines of {audit.path} are no audit records and were left out")
        if not found:
            renderer.say(f"no change is recorded in {audit.path}" if since is None else "no change since then")
        elif found > limit:
            renderer.say(f"{found - limit} older ones; --limit {found} shows them")
        summary = {"file": audit.path, "count": found}
        return Report([*shown], summary, [_table([*shown])] if shown else [])

    run(ctx, work)


def _table(records: list[AuditRecord]) -> Table:
    rows = runs_shortened(records, lambda each: (each.actor, each.action), _row, at=3)
    return Table(("time (UTC)", "by", "action", "what", "change"), rows, prose=frozenset({"change"}))


def _row(record: AuditRecord) -> tuple[str, ...]:
    return f"{record.time:%Y-%m-%d %H:%M:%S}", record.actor, record.action, record.target, _change(record)


def _change(record: AuditRecord) -> str:
    change = f"{record.before} → {record.after}" if record.before or record.after else ""
    return "; ".join(filter(None, (change, record.detail)))
