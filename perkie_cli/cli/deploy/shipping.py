"""``perkie deploy check``, ``status``, ``canary`` and ``rollback``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perkie_cli.cli.deploy.options import FILE, EnvironmentName, Headers, Images, MaxUsd, Role, SettingsFile
from perkie_cli.cli.deploy.rows import DeployRequestRow
from perkie_cli.cli.options import DryRun, Yes
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.row_parts import CheckRow
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.cli.table import Table
from perkie_cli.domain.deploy.traffic import described, floats
from perkie_cli.domain.errors import ChangesPending
from perkie_cli.domain.units import format_duration

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.cli.deploy.parts import Target
    from perkie_cli.domain.deploy.live import LiveService
    from perkie_cli.domain.deploy.rollout import Rollout
    from perkie_cli.ops.deploy.checks import Named
    from perkie_cli.ops.deploy.writing import Writer


def check(
    ctx: typer.Context,
    env: EnvironmentName,
    role: Role = "artistic",
    file: SettingsFile = FILE,
    image: Images = None,
    offline: Annotated[bool, typer.Option("--offline", help="Only what the settings alone tell.")] = False,
) -> None:
    """Look whether a canary could begin: settings, image, secrets, freeze, traffic, health. Exit 8 if not.

    Cloud Run itself tries the update without carrying it out. Nothing is changed.

    Examples:

      perkie deploy check --env production

      perkie deploy check --env staging --offline --json
    """
    from perkie_cli.cli.deploy.parts import target_of, writer_of
    from perkie_cli.ops.deploy.read import images_from

    target = target_of(file, env, role, images_from(image or []))

    async def work(services: Services) -> Report:
        found = _of_settings(services, target)
        if not offline:
            environment = target.environment
            async with writer_of(services, environment.project, environment.region, target.spec.name, 0) as writer:
                found += await _of_service(writer, target)
        return _checked(found)

    run(ctx, work)


def _of_settings(services: Services, target: Target) -> list[Named]:
    from perkie_cli.ops.deploy.checks import of_settings
    from perkie_cli.ops.deploy.read import other_projects

    others = other_projects(target.file, target.environment.name)
    return [*of_settings(target.environment, target.spec, others, services.protection.buckets)]


async def _of_service(writer: Writer, target: Target) -> list[Named]:
    from perkie_cli.ops.deploy.checks import of_service

    template = target.template(f"{target.spec.name}-check")
    return [each async for each in of_service(writer, template, target.first_deploy)]


def _checked(found: Sequence[Named]) -> Report:
    from perkie_cli.ops.deploy.checks import errors_of

    rows = [CheckRow(name, said.level.value, said.message, said.fix) for name, said in found]
    errors = len(errors_of(found))
    error = ChangesPending(f"{errors} error{'s' * (errors != 1)}: nothing can be shipped") if errors else None
    lines = [(row.level, row.check, row.message + (f"\n  {row.fix}" if row.fix else "")) for row in rows]
    return Report(rows, {"errors": errors}, [Table(("", "check", "found"), lines, prose=frozenset({"found"}))], error)


def status(ctx: typer.Context, env: EnvironmentName, role: Role = "artistic", file: SettingsFile = FILE) -> None:
    """Show what is live, at which step a canary is, and since when.

    Examples:

      perkie deploy status --env production
    """
    from perkie_cli.cli.deploy.parts import share_rows, target_of, writer_of

    target = target_of(file, env, role)
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        environment = target.environment
        async with writer_of(services, environment.project, environment.region, target.spec.name, 0) as writer:
            live, rollout = await writer.read(patient=False)
        rows = share_rows(live)
        lines = [(row.revision, f"{row.percent} %", row.tag, row.address) for row in rows]
        text: list[str | Table] = [Table(("revision", "traffic", "tag", "address"), lines, frozenset({"traffic"}))]
        if rollout is not None:
            age = format_duration((services.clock.now() - rollout.since).total_seconds())
            text.append(f"canary: {rollout.new} is {rollout.step} since {age}, by {rollout.actor}")
            text += [f"  {rollout.report}"] if rollout.report else []
        _remark(renderer, live)
        return Report(rows, _summary(live, rollout), text)

    run(ctx, work)


def _remark(renderer: Renderer, live: LiveService) -> None:
    if live.ready is None:
        renderer.say("the service changes right now")
    elif not live.ready:
        renderer.warn(f"the latest revision, {live.latest_created}, is not ready: {live.message}")
    if floats(live.traffic):
        renderer.say("traffic goes to LATEST: a deploy by other tools takes all of it at once")
    else:
        renderer.say("traffic goes to revisions by name: a deploy by other tools gets none of it")


def _summary(live: LiveService, rollout: Rollout | None) -> dict[str, Any]:
    canary = rollout and {
        "revision": rollout.new,
        "image": rollout.image,
        "phase": rollout.phase,
        "percent": rollout.percent,
        "started": rollout.started,
        "since": rollout.since,
        "actor": rollout.actor,
        "report": rollout.report,
    }
    return {
        "service": live.name,
        "uri": live.uri,
        "latest": floats(live.traffic),
        "ready": live.ready,
        "canary": canary,
    }


def canary(
    ctx: typer.Context,
    env: EnvironmentName,
    role: Role = "artistic",
    file: SettingsFile = FILE,
    image: Images = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the service's canary stands.")] = False,
    max_usd: MaxUsd = None,
    header: Headers = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Ship an image in steps: no traffic and tried at its own address, then 10, 50 and 100 %, watched at each.

    It goes back by itself to exactly the traffic from before: exit 99 if the
    revision is worse than the service level allows, 5 if nothing could be judged.
    Where the old revision suffers as much, it holds (5). Its state is on the
    service: after an interruption any machine can go on or go back.

    Examples:

      perkie deploy canary --env staging --image artistic=IMAGE@sha256:… --yes

      perkie deploy canary --env production --dry-run

      perkie deploy canary --env production --resume --yes
    """
    from perkie_cli.cli.deploy.parts import canary_of, share_rows, target_of
    from perkie_cli.cli.loadtest.settings import read_headers
    from perkie_cli.ops.deploy.read import images_from

    target = target_of(file, env, role, images_from(image or []))
    headers, renderer = read_headers(header or []), renderer_of(ctx)

    async def work(services: Services) -> Report:
        async with canary_of(services, target, renderer, headers, max_usd) as (its, writer):
            if resume:
                renderer.confirm(f"Go on with the canary of {target.spec.name}?", yes=yes)
                await its.resume()
            else:
                await _refuse(services, writer, target)
                plan = await its.plan()
                if dry_run:
                    requests = [writer.run.request(each) for each in its.requests(plan, target.template)]
                    rows = [DeployRequestRow(each) for each in requests]
                    return Report(rows, {"requests": len(rows)}, [json.dumps(each, indent=2) for each in requests])
                for split in plan.splits:
                    renderer.say(described(split))
                renderer.confirm(f"Ship {target.spec.image} to {target.spec.name} so?", yes=yes)
                await its.begin(plan, target.template, target.spec.image)
            live, rollout = await writer.read()
        renderer.say("traffic stays with this revision by name: a deploy by other tools gets none, until")
        renderer.say(
            f"gcloud run services update-traffic {live.name} --to-latest --region={target.environment.region} "
            f"--project={target.environment.project}"
        )
        return Report(share_rows(live), _summary(live, rollout), [described(live.serving)])

    run(ctx, work)


async def _refuse(services: Services, writer: Writer, target: Target) -> None:
    """Raises: ChangesPending with the first errors, before anything remote is changed."""
    from perkie_cli.ops.deploy.checks import errors_of

    found = errors_of(_of_settings(services, target)) or errors_of(await _of_service(writer, target))
    if found:
        told = "; ".join(said.message for _, said in found)
        raise ChangesPending(
            f"{told}; nothing was changed", hint=f"{found[0][1].fix}  (perkie deploy check {target.typed})"
        )


def rollback(
    ctx: typer.Context,
    env: EnvironmentName,
    role: Role = "artistic",
    file: SettingsFile = FILE,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Go back to exactly the traffic from before the last canary, finished or not. Tags of others stay.

    Examples:

      perkie deploy rollback --env production --yes
    """
    from perkie_cli.cli.deploy.parts import canary_of, share_rows, target_of

    target, renderer = target_of(file, env, role), renderer_of(ctx)

    async def work(services: Services) -> Report:
        async with canary_of(services, target, renderer, {}, None, gated=False) as (its, writer):
            live, rollout = await writer.read()
            if rollout is not None:
                renderer.say(f"now:   {described(live.split)}")
                renderer.say(f"after: {described(rollout.old)}")
            if dry_run:
                return Report(share_rows(live), _summary(live, rollout), [described(live.serving)])
            renderer.confirm(f"Change the traffic of {live.name}?", yes=yes)
            await its.rollback()
            live, rollout = await writer.read()
        return Report(share_rows(live), _summary(live, rollout), [described(live.serving)])

    run(ctx, work)
