"""One run of ``perkie cache restore``: shows what can come back, asks, and brings it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.cli.records.since import begin_of
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.storage.listing import amount_of, objects_of
from perkie_cli.cli.storage.rows import GoneRow
from perkie_cli.domain.errors import InvalidSetting, NotAuthorised, StoreUnavailable
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.storage.lifecycle import rules_for
from perkie_cli.domain.storage.selection import total
from perkie_cli.domain.units import format_size
from perkie_cli.services.storage.filter import Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perkie_cli.bootstrap import Services
    from perkie_cli.ops.lifecycle.lifecycle import Change
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
        renderer.say(f"stay gone, as erased, removed by perkie or past their lifetime: {objects_of(found.meant)}")
    amount = amount_of(total(found.totals))
    if not found.objects:
        renderer.say(f"nothing in {restoring.store} can be brought back")
        await _warn_if_nothing_is_kept(services, renderer)
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
    change = await _rules(services, renderer)
    if change is not None and change.pending:
        renderer.warn("the bucket still has other lifetime rules, which may delete them again: perkie lifecycle apply")


async def _warn_if_nothing_is_kept(services: Services, renderer: Renderer) -> None:
    change = await _rules(services, renderer)
    if change is not None and not (change.state.versioning or change.state.soft_delete):
        store = services.restoring.store
        renderer.warn(
            f"{store} has neither versioning nor soft delete: what is deleted there is gone at once. "
            f"For the next time: gcloud storage buckets update {store} --soft-delete-duration=7d"
        )


async def _rules(services: Services, renderer: Renderer) -> Change | None:
    """None, with a warning, where only objects may be looked at: what came back is none the worse for it."""
    try:
        return await services.lifecycle.compare(rules_for(services.lifetimes), given=False)
    except (NotAuthorised, StoreUnavailable) as error:
        renderer.warn(
            f"the bucket's own settings could not be looked at ({error}); as its owner: perkie lifecycle diff"
        )
        return None


def _report(objects: Sequence[GoneObject], store: str, meant: int, *, dry_run: bool) -> Report:
    rows = [GoneRow(each.facts.key, each.size, each.gone, each.until) for each in objects]
    summary = {"store": store, "count": len(rows), "stay_gone": meant, "dry_run": dry_run}
    lines = [f"{format_size(each.size):>10}  {each.gone:%Y-%m-%dT%H:%MZ}  {each.key}" for each in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"… and {len(rows) - SHOWN} more; --json lists all")
    return Report(rows, summary, lines)
