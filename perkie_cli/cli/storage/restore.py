"""One run of ``perkie cache restore``: shows what can come back, asks, and brings it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.cli.records.since import begin_of
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.storage.listing import amount_of, objects_of
from perkie_cli.cli.storage.rows import GoneRow
from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.storage.lifecycle import rules_for
from perkie_cli.domain.storage.selection import total
from perkie_cli.domain.units import format_size
from perkie_cli.services.storage.filter import Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perkie_cli.bootstrap import Services
    from perkie_cli.ports import GoneObject


SHOWN = 50  # lines


@frozen
class Restore:
    """What was asked for. ``since``: as typed."""

    chosen: Filter
    since: str | None
    dry_run: bool
    yes: bool


async def restore(services: Services, renderer: Renderer, asked: Restore) -> Report:
    """Runs it. Raises: InvalidSetting for a disk, UsageError when the answer is no, and what ``Restoring`` raises."""
    if services.settings.cache.store != "gcs":
        raise InvalidSetting(
            "pictures are kept on disk, and a disk keeps no old versions",
            hint="Bring cache.dir back from your own backup. PERKIE_CACHE_STORE=gcs is for a bucket.",
        )
    restoring = services.restoring
    found = await restoring.find(asked.chosen, begin_of(asked.since, services.clock.now()))
    if found.meant:
        renderer.say(f"{objects_of(found.meant)} stay gone: erased, removed by perkie, or past their lifetime")
    amount = amount_of(total(found.totals))
    if not found.objects:
        renderer.say(f"nothing in {restoring.store} can be brought back")
    elif asked.dry_run:
        renderer.say(f"would bring back {amount} to {restoring.store}")
    else:
        if asked.chosen == Filter():
            renderer.warn(
                "erasures by a perkie without this command are not marked: only this machine's audit log knows them; "
                "--customer, --session or --hash restores one at a time"
            )
        renderer.confirm(f"Bring back {amount} to {restoring.store}?", yes=asked.yes)
        back = await restoring.restore(asked.chosen, found.objects)
        renderer.say(f"brought back {objects_of(len(back))}; used now, so that their lifetimes begin anew")
        await _warn_of_rules(services, renderer)
        return _report(back, restoring.store, found.meant, dry_run=False)
    return _report(found.objects, restoring.store, found.meant, dry_run=asked.dry_run)


async def _warn_of_rules(services: Services, renderer: Renderer) -> None:
    """What deleted them may still be there."""
    if (await services.lifecycle.compare(rules_for(services.lifetimes), given=False)).pending:
        renderer.warn("the bucket still has other lifetime rules, which may delete them again: perkie lifecycle apply")


def _report(objects: Sequence[GoneObject], store: str, meant: int, *, dry_run: bool) -> Report:
    rows = [GoneRow(each.facts.key, each.size, each.gone, each.until) for each in objects]
    summary = {"store": store, "count": len(rows), "stay_gone": meant, "dry_run": dry_run}
    lines = [f"{format_size(each.size):>10}  {each.gone:%Y-%m-%dT%H:%MZ}  {each.key}" for each in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"… and {len(rows) - SHOWN} more; --json lists all")
    return Report(rows, summary, lines)
