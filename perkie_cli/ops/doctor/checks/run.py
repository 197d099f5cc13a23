"""The services that ``deploy.toml`` ships: who may call them, and as whom they run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from perkie_cli.domain.deploy.live import LiveService
from perkie_cli.domain.errors import NotFound, PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.iam import EVERYBODY, Kind, Resource
from perkie_cli.ops.deploy.read import read_all
from perkie_cli.ops.deploy.settings import Environment, ServiceSpec
from perkie_cli.ops.doctor.needs import BROAD, NO_CLOUD, uses_cloud
from perkie_cli.ops.doctor.said import Said, error, ok, skipped, warning
from perkie_cli.ops.doctor.subject import Subject
from perkie_cli.ports.rollouts import RunServices

FILE = Path("deploy.toml")
INVOKER = "roles/run.invoker"
_DEFAULT = "-compute@developer.gserviceaccount.com"  # the account of a service that names none


@frozen
class _Service:
    """One service of one environment."""

    environment: Environment
    spec: ServiceSpec

    def __str__(self) -> str:
        return f"{self.spec.name} in {self.environment.project}"

    @property
    def account(self) -> str:
        """As whom it should run."""
        return self.environment.email(self.spec.account)

    def gcloud(self, verb: str, *options: str) -> str:
        """The command that does it."""
        place = (f"--region={self.environment.region}", f"--project={self.environment.project}")
        return shlex.join(["gcloud", "run", "services", verb, self.spec.name, *place, *options])


async def services(its: Subject) -> Sequence[Said]:
    """Whether each service lets in whom the file says, and runs as an account of its own without broad roles."""
    try:
        environments = await its.blocking(lambda _: read_all(FILE) if FILE.exists() else [])
    except PerkieError as problem:
        return [skipped(f"could not look: {problem.message}")]
    found = [said for each in environments for said in await _of(its, each)]
    return found or [skipped(f"there is no {FILE} in this folder" if uses_cloud(its.settings) else NO_CLOUD)]


async def _of(its: Subject, environment: Environment) -> Sequence[Said]:
    try:
        run = (await its.blocking(lambda parts: parts.run_services))(environment.project, environment.region)
    except PerkieError as problem:
        return [skipped(f"could not look at Cloud Run: {problem.message}")]
    try:
        return [said for spec in environment.services for said in await _service(its, run, _Service(environment, spec))]
    finally:
        await run.aclose()


async def _service(its: Subject, run: RunServices, service: _Service) -> Sequence[Said]:
    try:
        live = await run.read(service.spec.name)
        members = await run.members(service.spec.name)
    except NotFound:
        return [skipped(f"{service} is not there yet")]
    except PerkieError as problem:
        return [skipped(f"could not look at {service}: {problem.message}")]
    strangers = [each for each in EVERYBODY if INVOKER in members.get(each, ())]
    found = [*_callers(service, live, strangers), *_runs_as(service, live), *await _roles(its, service, live.account)]
    who = "everybody" if service.spec.public else "only whom its policy names"
    return found or [ok(f"{service} lets in {who}, and runs as {live.account}")]


def _callers(service: _Service, live: LiveService, strangers: Sequence[str]) -> Sequence[Said]:
    if service.spec.public:
        if live.asks_nobody or "allUsers" in strangers:
            return []
        fix = service.gcloud("add-iam-policy-binding", "--member=allUsers", f"--role={INVOKER}")
        return [error(f"{service} lets in no customers, and {FILE} says that it is public", fix)]
    text = f"{service} lets everybody in, and {FILE} says that it is not public"
    fixes = [service.gcloud("remove-iam-policy-binding", f"--member={each}", f"--role={INVOKER}") for each in strangers]
    if live.asks_nobody:
        fixes.append(service.gcloud("update", "--invoker-iam-check"))
    return [error(text, " && ".join(fixes))] if fixes else []


def _runs_as(service: _Service, live: LiveService) -> Sequence[Said]:
    if live.account == service.account:
        return []
    fix = service.gcloud("update", f"--service-account={service.account}")
    if not live.account or live.account.endswith(_DEFAULT):
        return [warning(f"{service} runs as the project's default account, as others do", fix)]
    return [warning(f"{service} runs as {live.account}, and {FILE} means {service.account}", fix)]


async def _roles(its: Subject, service: _Service, account: str) -> Sequence[Said]:
    """The roles in the project's own policy; nothing is said where it may not be read, see `iam.roles`."""
    project, member = Resource(Kind.PROJECT, service.environment.project), f"serviceAccount:{account}"
    try:
        members = await its.parts.access.members(project)
    except PerkieError:
        return []
    enough = f"sh deploy/{service.environment.name}/setup.sh"  # grants what it needs
    return [
        warning(f"{service} has {role} on {project}: more than it needs", f"{enough} && {project.revoke(member, role)}")
        for role in members.get(member, ())
        if role in BROAD
    ]
