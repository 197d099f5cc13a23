"""Makes the parts of a canary from settings and flags."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from perkie_cli.bootstrap import Services
from perkie_cli.cli.deploy.driving import LoadDriver
from perkie_cli.cli.deploy.rows import DeployShareRow
from perkie_cli.cli.render import Renderer
from perkie_cli.domain.deploy.live import LiveService
from perkie_cli.domain.errors import InvalidParameter, UsageError
from perkie_cli.domain.frozen import frozen
from perkie_cli.ops.deploy import run_v2
from perkie_cli.ops.deploy.asking import Asker
from perkie_cli.ops.deploy.canary import Canary
from perkie_cli.ops.deploy.levels import gate_rules
from perkie_cli.ops.deploy.prometheus import PrometheusSamples
from perkie_cli.ops.deploy.read import read_environment
from perkie_cli.ops.deploy.settings import SAMPLES, CanarySpec, Environment, ServiceSpec
from perkie_cli.ops.deploy.watch import Watch
from perkie_cli.ops.deploy.writing import Writer
from perkie_cli.ports.rollouts import RevisionSamples


@frozen
class Target:
    """What a command is about. ``file`` is the settings file."""

    file: Path
    environment: Environment
    spec: ServiceSpec

    @property
    def typed(self) -> str:
        """The options that name it."""
        file = "" if self.file == Path("deploy.toml") else f" --file {self.file}"
        return f"--env {self.environment.name} --role {self.spec.role}{file}"

    @property
    def first_deploy(self) -> str:
        """How to make the service, by its manifest."""
        place = f"--region={self.environment.region} --project={self.environment.project}"
        return f"gcloud run services replace deploy/{self.environment.name}/{self.spec.role}.service.yaml {place}"

    def template(self, revision: str) -> Mapping[str, Any]:
        """Of a new revision."""
        return run_v2.template(self.environment, self.spec, revision)


def target_of(file: Path, env: str, role: str, images: Mapping[str, str] | None = None) -> Target:
    """Raises: UsageError for a service that is not shipped there; UnreadableFile, InvalidSetting."""
    environment = read_environment(file, env, images)
    spec = environment.service(role)
    if spec is None:
        raise UsageError(f"{file} ships no {role} service", hint=f"Add a table [{role}].")
    return Target(file, environment, spec)


@asynccontextmanager
async def writer_of(
    services: Services, project: str, region: str, service: str, patience: float
) -> AsyncIterator[Writer]:
    """The connection to one service, for the block."""
    run = services.run_services(project, region)
    try:
        yield Writer(run, service, services.clock, services.events, services.protection.actor, patience)
    finally:
        await run.aclose()


@asynccontextmanager
async def watch_of(
    services: Services, spec: CanarySpec, renderer: Renderer, headers: Mapping[str, str], project: str
) -> AsyncIterator[Watch]:
    """The gate, for the block. ``project``: whose Cloud Monitoring is read; empty: none's.

    Raises: UsageError when there is no project.
    """
    asker = Asker()
    samples: RevisionSamples = PrometheusSamples(services.clock, headers)
    if spec.samples == "monitoring":
        if not project:
            raise UsageError("Cloud Monitoring knows revisions of a service only", hint="Use --samples metrics.")
        samples = services.revision_samples(project)
    try:
        yield Watch(
            rules=gate_rules(spec.levels),
            samples=samples,
            clock=services.clock,
            interval=spec.interval,
            hold=spec.hold,
            max_hold=spec.max_hold,
            least=spec.min_samples,
            tell=renderer.say,
            asker=asker,
        )
    finally:
        for trouble in samples.trouble.values():
            renderer.warn(trouble)
        await samples.aclose()
        await asker.aclose()


@asynccontextmanager
async def canary_of(
    services: Services,
    target: Target,
    renderer: Renderer,
    headers: Mapping[str, str],
    max_usd: float | None,
    *,
    gated: bool = True,
) -> AsyncIterator[tuple[Canary, Writer]]:
    """The use cases over the target's service, for the block. ``gated`` False: only those that judge nothing."""
    environment = target.environment
    spec = environment.canary if gated else replace(environment.canary, levels=(), samples="metrics")
    driver = LoadDriver(spec, headers, spec.max_usd if max_usd is None else max_usd, renderer.say)
    commands = (f"perkie deploy canary {target.typed}", f"perkie deploy rollback {target.typed}")
    place = (environment.project, environment.region, target.spec.name)
    async with (
        writer_of(services, *place, spec.ready_within) as writer,
        watch_of(services, spec, renderer, headers, environment.project) as watch,
    ):
        yield Canary(writer, watch, driver, spec.steps, renderer.say, commands), writer


def share_rows(live: LiveService) -> list[DeployShareRow]:
    """What is served now."""
    return [
        DeployShareRow(live.name, share.revision or live.latest_ready, share.percent, share.tag,
                       live.addresses.get(share.tag, ""))
        for share in live.serving
    ]  # fmt: skip


def place_of(service: str) -> tuple[str, str, str]:
    """Project, region and name of ``projects/P/locations/R/services/S``. Raises: InvalidParameter."""
    match service.split("/"):
        case ["projects", project, "locations", region, "services", name] if project and region and name:
            return project, region, name
    raise InvalidParameter(f"--service {service!r} is not projects/P/locations/R/services/S")


def held(
    spec: CanarySpec, hold: float | None, max_hold: float | None, rate: float | None, samples: str | None
) -> CanarySpec:
    """The same with other values. Raises: InvalidParameter."""
    if samples not in (None, *SAMPLES):
        raise InvalidParameter(f"--samples {samples!r} is not known", hint=f"Known: {', '.join(SAMPLES)}.")
    changed = replace(
        spec,
        hold=spec.hold if hold is None else hold,
        max_hold=spec.max_hold if max_hold is None else max_hold,
        rate=spec.rate if rate is None else rate,
        samples=samples or spec.samples,
    )
    if changed.max_hold < changed.hold:
        changed = replace(changed, max_hold=changed.hold) if max_hold is None else changed
    if changed.max_hold < changed.hold:
        raise InvalidParameter("--max-hold is below --hold")
    return changed
