"""``perkie lifecycle``: the bucket's lifetime rules, from the settings or a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perkie_cli.bootstrap import build_services
from perkie_cli.cli.options import Acknowledged, DryRun, Yes
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.session import finish, renderer_of, run, settings_of
from perkie_cli.cli.storage.rows import RuleChangeRow, RuleRow
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import ChangesPending, UsageError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.storage.lifecycle import Rule, rules_for
from perkie_cli.domain.storage.lifecycle_json import rule_to
from perkie_cli.domain.storage.lifecycle_review import Remark, review
from perkie_cli.domain.storage.selection import StoredTotal, total
from perkie_cli.domain.units import format_size

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.ops.lifecycle.lifecycle import Change

app = typer.Typer(help="Keep the bucket's lifetime rules up to date.")

File = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="Rules as JSON (default: made from the configured lifetimes)."),
]
BucketName = Annotated[str | None, typer.Option("--bucket", metavar="NAME", help="Default: cache.bucket.")]
ShownBucket = Annotated[str | None, typer.Option("--bucket", metavar="NAME", help="Show the rules of this bucket.")]
Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit 8 if the bucket differs.")]


@app.command()
def show(ctx: typer.Context, bucket: ShownBucket = None, file: File = None) -> None:
    """Show the target rules and remarks on them; with --bucket, the bucket's own rules.

    The disk store follows the same rules with `perkie cache purge --expired`.

    Examples:

      perkie lifecycle show

      perkie lifecycle show --json | jq '{rule: .results}' > rules.json
    """
    renderer = renderer_of(ctx)
    if bucket is not None and file is not None:
        raise UsageError("--bucket and --file exclude each other", hint="`perkie lifecycle diff` compares the two.")
    if bucket is None:
        rules = _wanted(build_services(settings_of(ctx).settings), file)
        remarks = list(review(rules))
        _say(renderer, remarks)
        finish(ctx, _shown([rule_to(rule) for rule in rules], remarks=[asdict(each) for each in remarks]))

    async def work(services: Services) -> Report:
        return _shown(await services.lifecycle.current(), bucket=services.lifecycle.bucket)

    run(ctx, work, {"cache.bucket": bucket})


def _shown(rules: Sequence[Mapping[str, Any]], **summary: object) -> Report:
    from perkie_cli.ops.lifecycle.lifecycle import describe_json

    lines = [(number, describe_json(rule)) for number, rule in enumerate(rules, 1)]
    table = Table(("rule", "does"), lines, prose=frozenset({"does"}))
    return Report([RuleRow(**each) for each in rules], summary, [table if rules else "no rules"])


@app.command()
def diff(ctx: typer.Context, bucket: BucketName = None, file: File = None, check: Check = False) -> None:
    """Show what `apply` would change and which objects would be deleted. Exit 8 when the bucket differs.

    Examples:

      perkie lifecycle diff --bucket my-cache
    """
    del check  # accepted for symmetry: a diff never writes, and its exit code always says whether the bucket differs
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        change, gone = await _compare(services, file)
        _say(renderer, change.remarks)
        return _report(change, gone, error=_pending(services) if change.pending else None)

    run(ctx, work, {"cache.bucket": bucket})


@app.command()
def apply(
    ctx: typer.Context,
    bucket: BucketName = None,
    file: File = None,
    check: Check = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    acknowledged: Acknowledged = None,
) -> None:
    """Replace the bucket's rules by the target rules. A second run changes nothing.

    Examples:

      perkie lifecycle apply --dry-run

      perkie lifecycle apply --yes

      perkie lifecycle apply --check
    """
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        from perkie_cli.ops.lifecycle.lifecycle import refuse_errors

        change, gone = await _compare(services, file)
        _say(renderer, change.remarks)
        if dry_run or check or not change.pending:
            return _report(change, gone, error=_pending(services) if check and change.pending else None)
        refuse_errors(change.remarks)
        services.protection.permit(services.lifecycle.bucket, acknowledged)
        for line in _lines(change, gone):
            renderer.say(line)
        renderer.confirm(f"Replace the rules of {services.lifecycle.bucket}?", yes=yes)
        await services.lifecycle.apply(change, acknowledged)
        renderer.say("applied; the service may take 24 hours to act on it")
        return Report(_changes(change), {"changed": True, **gone.amounts})

    run(ctx, work, {"cache.bucket": bucket})


def _wanted(services: Services, file: Path | None) -> Sequence[Rule]:
    if file is None:
        return rules_for(services.lifetimes)
    from perkie_cli.ops.lifecycle.file import read_rules

    return read_rules(file)


@frozen
class _Losses:
    """``now``: what the target rules would delete at once; ``soon``: what the bucket's own delete within a day;
    ``restorable``: what is gone and can be brought back.
    """

    now: Mapping[str, StoredTotal]
    soon: Mapping[str, StoredTotal]
    restorable: StoredTotal

    @property
    def amounts(self) -> dict[str, Any]:
        """For the envelope."""
        return {
            "would_go": {area: asdict(each) for area, each in self.now.items()},
            "about_to_go": {area: asdict(each) for area, each in self.soon.items()},
            "restorable": asdict(self.restorable),
        }


async def _compare(services: Services, file: Path | None) -> tuple[Change, _Losses]:
    change = await services.lifecycle.compare(_wanted(services, file), given=file is not None)
    if not change.pending:
        return change, _Losses({}, {}, StoredTotal())
    now = await services.lifecycle.would_delete(change.target)
    soon = await services.lifecycle.about_to_go(change) if change.removed else {}
    return change, _Losses(now, soon, await services.restoring.restorable())


def _pending(services: Services) -> ChangesPending:
    return ChangesPending(
        f"{services.lifecycle.bucket} has other rules", hint="`perkie lifecycle apply` brings it in line."
    )


def _report(change: Change, gone: _Losses, error: ChangesPending | None) -> Report:
    lines = [*_lines(change, gone)] if change.pending else ["the bucket already has these rules"]
    summary = {"changed": False, "pending": change.pending, **gone.amounts}
    return Report(_changes(change), summary, lines, error)


def _lines(change: Change, gone: _Losses) -> Iterable[str]:
    from perkie_cli.ops.lifecycle.lifecycle import describe_json

    yield from (f"- {describe_json(rule)}" for rule in change.removed)
    yield from (f"+ {describe_json(rule)}" for rule in change.added)
    yield from _amounts_in_words("the bucket's rules delete within a day", gone.soon)
    if not total(gone.now).count:
        yield "no object would be deleted now by the new rules"
    yield from _amounts_in_words("would be deleted now", gone.now)
    if count := gone.restorable.count:
        size = format_size(gone.restorable.bytes)
        yield f"{count} gone ({size}) can be brought back; old versions have a day under the new rules. Restore first:"
        yield "  perkie cache restore --dry-run"


def _amounts_in_words(what: str, gone: Mapping[str, StoredTotal]) -> Iterable[str]:
    for area, found in gone.items():
        size = format_size(found.bytes)
        yield f"{what}: {found.count} of {area} ({size}), unused since {found.oldest:%Y-%m-%d}"


def _changes(change: Change) -> list[RuleChangeRow]:
    removed = [RuleChangeRow("remove", rule) for rule in change.removed]
    return [*removed, *(RuleChangeRow("add", rule) for rule in change.added)]


def _say(renderer: Renderer, remarks: Iterable[Remark]) -> None:
    for remark in remarks:
        renderer.warn(str(remark))
