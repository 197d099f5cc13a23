"""``perkie deploy gate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli import complete
from perkie_cli.cli.deploy.options import FILE, Headers, MaxUsd, OptionalEnvironment, Role, SettingsFile
from perkie_cli.cli.deploy.rows import GateRow
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import InvalidParameter, PerkieError, ThresholdsFailed, Unavailable, UsageError
from perkie_cli.domain.units import parse_duration
from perkie_cli.ops.deploy.settings import SAMPLES

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.domain.deploy.gate import Finding
    from perkie_cli.ops.deploy.settings import CanarySpec
    from perkie_cli.ops.deploy.watch import Watched

ServiceName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Instead of --env: projects/P/locations/R/services/S, without a settings file."),
]
New = Annotated[str | None, typer.Option(metavar="URL", help="Instead of a service: the new server's address …")]
Old = Annotated[str | None, typer.Option(metavar="URL", help="… and the one to compare it with.")]
Hold = Annotated[str | None, typer.Option(metavar="TIME", help="Watch at least so long.")]
MaxHold = Annotated[str | None, typer.Option(metavar="TIME", help="Then it is inconclusive.")]
Rate = Annotated[
    float | None, typer.Option(min=0, metavar="N", help="Requests a second of synthetic customers; 0 for none.")
]

Samples = Annotated[
    str | None,
    typer.Option(
        metavar="|".join(SAMPLES),
        help="Where answers are counted: /metrics of each address, or Cloud Monitoring.",
        autocompletion=complete.among(SAMPLES),
    ),
]


def gate(
    ctx: typer.Context,
    env: OptionalEnvironment = None,
    role: Role = "artistic",
    file: SettingsFile = FILE,
    service: ServiceName = None,
    new: New = None,
    old: Old = None,
    hold: Hold = None,
    max_hold: MaxHold = None,
    rate: Rate = None,
    samples: Samples = None,
    max_usd: MaxUsd = None,
    header: Headers = None,
) -> None:
    """Judge a new revision beside the old one by the service levels, and change nothing.

    Exit 0: healthy. 99: unhealthy, which the old one is not. 5: inconclusive.
    The revisions are found by the tags canary and stable; without them the
    service itself is judged. A verdict needs answers: those of customers, and of
    synthetic ones.

    Examples:

      perkie deploy gate --env production --hold 2m

      perkie deploy gate --service projects/P/locations/R/services/perkie-artistic

      perkie deploy gate --new http://127.0.0.1:8081 --old http://127.0.0.1:8080
    """
    from perkie_cli.cli.deploy.parts import held, place_of, target_of
    from perkie_cli.cli.loadtest.settings import read_headers
    from perkie_cli.ops.deploy.read import usual_canary

    if sum(each is not None for each in (env, service, new)) != 1:
        raise UsageError("what is to be judged? Use one of --env, --service and --new")
    headers, renderer = read_headers(header or []), renderer_of(ctx)
    target = target_of(file, env, role) if env is not None else None
    spec = held(target.environment.canary if target else usual_canary(), _time(hold), _time(max_hold), rate, samples)
    place = place_of(service) if service is not None else None
    if target is not None:
        place = target.environment.project, target.environment.region, target.spec.name

    async def work(services: Services) -> Report:
        pair = await _pair(services, place) if place is not None else _given(new or "", old)
        limit = spec.max_usd if max_usd is None else max_usd
        project = place[0] if place is not None else ""
        return _report(await _judged(services, renderer, spec, headers, limit, project, *pair))

    run(ctx, work)


def _time(text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration(text).total_seconds()
    except ValueError as error:
        raise InvalidParameter(str(error)) from error


def _given(new: str, old: str | None) -> tuple[Watched, Watched]:
    from perkie_cli.ops.deploy.watch import Watched

    for url in filter(None, (new, old)):
        if not url.startswith(("http://", "https://")):
            raise InvalidParameter(f"{url!r} is not an address such as http://127.0.0.1:8080")
    return Watched("new", new.rstrip("/")), Watched("old", (old or "").rstrip("/"))


async def _pair(services: Services, place: tuple[str, str, str]) -> tuple[Watched, Watched]:
    """Without our tags there is one revision to look at, at the service's own address, and none beside it."""
    from perkie_cli.cli.deploy.parts import writer_of
    from perkie_cli.domain.deploy.traffic import CANARY, STABLE
    from perkie_cli.ops.deploy.watch import Watched

    async with writer_of(services, *place, 0) as writer:
        live, _ = await writer.read(patient=False)
    by_tag = {share.tag: share.revision for share in live.serving if share.tag}
    new = Watched(by_tag.get(CANARY, live.latest_ready), live.addresses.get(CANARY, live.uri))
    return new, Watched(by_tag.get(STABLE, "none"), live.addresses.get(STABLE, ""))


async def _judged(
    services: Services,
    renderer: Renderer,
    spec: CanarySpec,
    headers: Mapping[str, str],
    max_usd: float,
    project: str,
    new: Watched,
    old: Watched,
) -> Sequence[Finding]:
    from perkie_cli.cli.deploy.driving import LoadDriver
    from perkie_cli.cli.deploy.parts import watch_of

    driver = LoadDriver(spec, headers, max_usd, renderer.say)
    async with watch_of(services, spec, renderer, headers, project) as watch, driver.steady([new.address, old.address]):
        return await watch.until_judged(new, old)


def _report(findings: Sequence[Finding]) -> Report:
    from perkie_cli.domain.deploy.gate import Health, overall

    rows = [
        GateRow(
            each.rule.name, each.rule.text, each.health, each.new.bad, each.new.total, each.old.bad, each.old.total,
            each.shared, each.age, each.why,
        )
        for each in findings
    ]  # fmt: skip
    lines = [
        (row.health, row.level, row.rule, str(each.new), str(each.old), _age(row.age), row.why)
        for row, each in zip(rows, findings, strict=True)
    ]
    table = Table(("", "level", "rule", "bad, new", "bad, old", "counted", "why"), lines, prose=frozenset({"why"}))
    health = overall(findings)
    why = "; ".join(f"{row.level}: {row.why}" for row in rows if row.health == health)
    error: PerkieError | None = None
    if health is Health.UNHEALTHY:
        error = ThresholdsFailed(f"unhealthy: {why}")
    elif health is Health.INCONCLUSIVE:
        error = Unavailable(f"inconclusive: {why}", hint="Watch longer with --max-hold, or send more with --rate.")
    return Report(rows, {"health": health}, [table], error)


def _age(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s ago"
