"""``perkie monitor``: Cloud Monitoring's objectives, alerts and dashboard, from slo.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli.monitor.rows import AlertRow, LiveRow, ResourceChangeRow
from perkie_cli.cli.options import DryRun, Yes
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.session import finish, renderer_of, run, settings_of
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import ChangesPending, PerkieError, UsageError
from perkie_cli.domain.spelling import did_you_mean

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.domain.service_levels import ServiceLevels
    from perkie_cli.ops.monitor.live import Told
    from perkie_cli.ops.monitor.monitor import Plan, Step
    from perkie_cli.ops.monitor.place import Place

app = typer.Typer(help="Keep Cloud Monitoring's objectives, alerts and dashboard in line with slo.yaml.")

SloFile = Annotated[
    Path | None,
    typer.Option("--slo", metavar="FILE", help="Your own service levels and alerts (default: monitor.slo_file)."),
]
Project = Annotated[str | None, typer.Option("--project", metavar="ID", help="Default: telemetry.project.")]
Only = Annotated[str | None, typer.Option("--only", metavar="NAME,...", help="Only these alerts.")]
Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit 8 if anything differs.")]


@app.command()
def show(
    ctx: typer.Context,
    live: Annotated[bool, typer.Option("--live", help="Ask Cloud Monitoring for the values now.")] = False,
    only: Only = None,
    slo: SloFile = None,
    project: Project = None,
) -> None:
    """Show every alert, whom it tells, and its runbook; with --live what it sees now.

    Examples:

      perkie monitor show

      perkie monitor show --live

      perkie monitor show --live --only gemini-success,breaker-open --json
    """
    renderer = renderer_of(ctx)
    if not live:
        levels = _levels(settings_of(ctx, {"monitor.slo_file": slo}).settings.monitor.slo_file)
        renderer.say("Runbooks are pages of docs/runbooks/. --live shows what each alert sees now.")
        finish(ctx, _shown(levels, _chosen(only, levels)))

    async def work(services: Services) -> Report:
        from perkie_cli.ops.monitor.live import look

        levels = _levels(services.settings.monitor.slo_file)
        chosen = _chosen(only, levels)
        place = await _place(services)
        _warn_without_host(place, renderer)
        told = [each for each in await look(services.monitoring, levels, place, services.clock) if each.name in chosen]
        return _seen(told)

    run(ctx, work, {"monitor.slo_file": slo, "telemetry.project": project})


@app.command()
def diff(ctx: typer.Context, slo: SloFile = None, project: Project = None, check: Check = False) -> None:
    """Show what `apply` would change. Exit 8 when anything differs.

    Only resources that perkie made are looked at; what Google adds by itself is no difference.

    Examples:

      perkie monitor diff

      perkie monitor diff --slo my-slo.yaml --project my-project
    """
    del check  # accepted for symmetry: a diff never writes, and its exit code always says whether anything differs
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        plan = await _plan(services, renderer)
        return _report(plan, error=_pending(services) if plan.pending else None)

    run(ctx, work, {"monitor.slo_file": slo, "telemetry.project": project})


@app.command()
def apply(
    ctx: typer.Context,
    slo: SloFile = None,
    project: Project = None,
    check: Check = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Make, change and delete what differs, and nothing else. A second run changes nothing.

    If it is stopped in the middle, what was changed stays; the same command makes the rest.

    Examples:

      perkie monitor apply --dry-run

      perkie monitor apply --yes

      perkie monitor apply --check
    """
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        plan = await _plan(services, renderer)
        if dry_run or check or not plan.pending:
            return _report(plan, error=_pending(services) if check and plan.pending else None)
        for line in _lines(plan.steps):
            renderer.say(line)
        renderer.confirm(f"Make {len(plan.steps)} changes in {services.monitoring.name}?", yes=yes)
        return await _apply(services, plan, renderer)

    run(ctx, work, {"monitor.slo_file": slo, "telemetry.project": project})


async def _apply(services: Services, plan: Plan, renderer: Renderer) -> Report:
    done: list[Step] = []
    error: PerkieError | None = None
    try:
        async for step in services.monitor.apply(plan):
            done.append(step)
            renderer.say(f"{len(done)}/{len(plan.steps)} {step.action} {step.kind} {step.id}")
    except PerkieError as failure:
        step = plan.steps[len(done)]
        error = type(failure)(
            f"{step.action} {step.kind} {step.id}: {failure.message}; made {len(done)} of {len(plan.steps)} changes",
            hint=f"{failure.hint or ''} The same command makes the rest.".strip(),
        )
    summary = {"changed": bool(done), "made": len(done), "planned": len(plan.steps), "same": plan.same}
    return Report([_row(each) for each in done], summary, [], error)


def _levels(path: Path | None) -> ServiceLevels:
    """Raises: BadInput for a file that cannot be read, or has an alert that can never come true."""
    from perkie_cli.config.levels.reading import read_levels
    from perkie_cli.ops.monitor.can_fire import check

    levels = read_levels(path)
    check(levels)
    return levels


async def _place(services: Services) -> Place:
    from perkie_cli.ops.monitor.place import Place

    return Place.of(await services.monitoring.project(), services.settings.monitor)


async def _plan(services: Services, renderer: Renderer) -> Plan:
    from perkie_cli.ops.monitor.resources import wanted

    levels = _levels(services.settings.monitor.slo_file)
    place = await _place(services)
    _warn_without_host(place, renderer)
    for severity, channels in place.channels.items():
        if not channels:
            renderer.warn(f"monitor.{severity}_channels is empty: {severity}s open incidents and tell nobody")
    return await services.monitor.plan(list(wanted(levels, place)))


def _warn_without_host(place: Place, renderer: Renderer) -> None:
    if place.host is None:
        renderer.warn("monitor.uptime_host is not set: there is no uptime check, and nobody is told when all is down")


def _chosen(only: str | None, levels: ServiceLevels) -> set[str]:
    """Raises: UsageError for a name that no alert has."""
    known = levels.runbooks
    if only is None:
        return set(known)
    chosen = {each.strip() for each in only.split(",")}
    for each in sorted(chosen - known.keys()):
        raise UsageError(
            f"there is no alert {each!r}", hint=did_you_mean(each, known) or "`perkie monitor show` lists them."
        )
    return chosen


def _shown(levels: ServiceLevels, chosen: set[str]) -> Report:
    from perkie_cli.ops.monitor.live import described

    rows = [
        AlertRow(each.name, each.severity.value, each.condition, each.summary, each.runbook)
        for each in described(levels)
        if each.name in chosen
    ]
    table = Table(
        ("alert", "tells by", "when", "runbook"),
        [(row.alert, row.severity, row.condition, row.runbook) for row in rows],
        prose=frozenset({"when"}),
    )
    summary = {"objectives": len(levels.objectives), "alerts": len(rows), "file": levels.source}
    return Report(rows, summary, [table])


def _seen(told: Sequence[Told]) -> Report:
    rows = [LiveRow(each.name, each.severity.value, each.fires, *value.shown) for each in told for value in each.values]
    known = {row.alert for row in rows if row.age is not None}
    lines = [
        (row.alert, _state(row, known), *_measured(row)) if first else ("", "", *_measured(row))
        for first, row in _first_of_each(rows)
    ]
    table = Table(
        ("alert", "state", "condition", "now", "threshold", "last point"),
        lines,
        numeric=frozenset({"now", "threshold", "last point"}),
        prose=frozenset({"condition"}),
    )
    return Report(rows, {"firing": [each.name for each in told if each.fires]}, [table])


def _first_of_each(rows: Sequence[LiveRow]) -> Iterator[tuple[bool, LiveRow]]:
    before = None
    for row in rows:
        yield row.alert != before, row
        before = row.alert


def _state(row: LiveRow, known: set[str]) -> str:
    return "fires" if row.fires else "ok" if row.alert in known else "no data"


def _measured(row: LiveRow) -> tuple[str, ...]:
    return row.condition, _number(row.value), _number(row.threshold), _age(row.age)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _age(seconds: float | None) -> str:
    from perkie_cli.domain.units import format_duration

    return "-" if seconds is None else f"{format_duration(max(0.0, seconds))} ago"


def _report(plan: Plan, error: ChangesPending | None) -> Report:
    lines = [*_lines(plan.steps)] or [f"all {plan.same} resources are as slo.yaml says"]
    summary = {"changed": False, "pending": len(plan.steps), "same": plan.same}
    return Report([_row(each) for each in plan.steps], summary, lines, error)


def _lines(steps: Sequence[Step]) -> Iterator[str]:
    marks = {"create": "+", "update": "~", "delete": "-"}
    for step in steps:
        yield f"{marks[step.action]} {step.kind} {step.id}"
        yield from (f"    {each}" for each in step.differences)


def _row(step: Step) -> ResourceChangeRow:
    name = step.found.name if step.found is not None else None
    return ResourceChangeRow(step.action.value, step.kind, step.id, name, list(step.differences))


def _pending(services: Services) -> ChangesPending:
    return ChangesPending(
        f"{services.monitoring.name} differs from slo.yaml", hint="`perkie monitor apply` brings it in line."
    )
