"""What has to be so before anything is shipped: first what the settings alone tell, then what Cloud Run says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from perkie_cli.domain.deploy.live import LiveService
from perkie_cli.domain.deploy.rollout import Rollout
from perkie_cli.domain.deploy.traffic import OURS, described, floats
from perkie_cli.domain.errors import NotFound, PerkieError
from perkie_cli.ops.deploy.container import variables
from perkie_cli.ops.deploy.settings import Environment, ServiceSpec
from perkie_cli.ops.deploy.writing import Writer
from perkie_cli.ops.doctor.said import Level, Said, error, failed, ok, skipped, warning
from perkie_cli.ports.rollouts import ServiceChange

_DIGEST = re.compile(r"\S+@sha256:([0-9a-f]{64})")
_BY_AUTH = {
    "jwt": "PERKIE_HTTP_JWT_SECRET",
    "shopify-proxy": "SHOPIFY_API_SECRET",
    "api-key": "PERKIE_HTTP_API_KEYS",
}
_TIMEOUT = 10.0  # seconds

Named = tuple[str, Said]


def of_settings(
    environment: Environment, spec: ServiceSpec, others: Mapping[str, str], protected: Sequence[str]
) -> Iterator[Named]:
    """Without the network. ``others``: projects of other environments; ``protected``: buckets."""
    yield "freeze", _freeze(environment)
    yield "image", _image(spec)
    yield "secrets", _secrets(environment, spec)
    yield "environment", _apart(environment, others)
    yield "bucket", _bucket(environment, protected)
    if spec.min_instances:
        fix = f"Set {spec.role}.min_instances = 0, or use [[{spec.role}.scaling]] for part of the day."
        yield "cost", warning(f"{spec.min_instances} instances of {spec.name} are paid for day and night", fix)


def _freeze(environment: Environment) -> Said:
    if environment.freeze:
        return error(f"{environment.name} is frozen: {environment.freeze}", "Take `freeze` out of the settings file.")
    return ok("not frozen")


def _image(spec: ServiceSpec) -> Said:
    found = _DIGEST.fullmatch(spec.image)
    fix = f"gcloud artifacts docker images describe {spec.image.split('@')[0]} --format='value(image_summary.digest)'"
    if found is None:
        return error(f"{spec.image} is not named by digest: a tag may lead to another image tomorrow", fix)
    if set(found[1]) == {"0"}:
        return error("the image's digest is still the placeholder", fix)
    return ok("the image is named by its digest")


def _secrets(environment: Environment, spec: ServiceSpec) -> Said:
    env = variables(environment, spec)
    needed = {_BY_AUTH[each] for each in env["PERKIE_HTTP_AUTH"].split(",") if each in _BY_AUTH}
    if spec.role == "artistic":
        needed.add("PERKIE_HTTP_LINK_SECRET")
        if "GOOGLE_GENAI_USE_VERTEXAI" not in env and env.get("PERKIE_STYLE_ENGINE") != "local":
            needed.add("GEMINI_API_KEY")
    if missing := sorted(needed - env.keys()):
        return error(f"no secret for {', '.join(missing)}", f"Add them to [{spec.role}.secrets].")
    plain = sorted(name for name in needed & spec.env.keys() if not spec.env[name].startswith(("sm://", "file://")))
    if plain:
        return error(f"{', '.join(plain)} is in plain text in the settings file", f"Move it to [{spec.role}.secrets].")
    return ok("every secret that it needs is named")


def _apart(environment: Environment, others: Mapping[str, str]) -> Said:
    for name, project in others.items():
        if project == environment.project:
            fix = "Give each a project of its own: quotas, cache and Gemini's limits are shared within one."
            return error(f"{environment.name} and {name} are in the same project, {project}", fix)
    return ok(f"{environment.name} has a project of its own")


def _bucket(environment: Environment, protected: Sequence[str]) -> Said:
    name = environment.bucket.name
    if name not in protected:
        return ok("the bucket is none of the protected ones")
    if environment.name != "production":
        return error(f"{environment.name} would use the protected bucket {name}", "Name another in bucket.name.")
    return warning(f"{name} is protected: setup.sh would set its lifetimes", "Compare first: perkie lifecycle diff")


async def of_service(writer: Writer, template: Mapping[str, object], deploy: str) -> AsyncIterator[Named]:
    """What the running service says; the last check lets Cloud Run itself try the update, and change nothing.

    ``deploy``: how to type the first deploy.
    """
    try:
        live, rollout = await writer.read(patient=False)
    except NotFound:
        yield "service", error(f"the service {writer.service} does not exist yet", deploy)
        return
    except PerkieError as problem:
        yield "service", failed(problem)
        return
    yield "service", ok(f"{live.name} is there: {described(live.split)}")
    yield "canary", _canary(live, rollout)
    yield "traffic", _traffic(live)
    yield "ready", _ready(live)
    yield "health", await _health(live.uri)
    yield "dry-run", await _dry_run(writer, live, template)


def _canary(live: LiveService, rollout: Rollout | None) -> Said:
    if rollout is not None and rollout.active:
        fix = "perkie deploy canary --resume, or perkie deploy rollback"
        return error(f"a canary is in progress since {rollout.started:%Y-%m-%d %H:%M} UTC: {rollout}", fix)
    if taken := sorted({share.tag for share in live.split} & OURS):
        fix = f"gcloud run services update-traffic {live.name} --remove-tags={taken[0]}"
        return error(f"the tag {taken[0]}, which a canary uses, is set already", fix)
    return ok("no canary is in progress")


def _traffic(live: LiveService) -> Said:
    if floats(live.traffic):
        fix = "Nothing to do for `perkie deploy canary`, which names the revision first."
        return warning("traffic goes to LATEST: any deploy by other tools takes all of it at once", fix)
    return ok("traffic goes to revisions by name; a deploy by other tools gets none of it")


def _ready(live: LiveService) -> Said:
    if live.ready is None:
        return error("the service changes right now", "Wait until it has settled: perkie deploy status")
    if live.ready:
        return ok(f"the latest revision, {live.latest_created}, is ready")
    return warning(f"the latest revision, {live.latest_created}, is not ready: {live.message}", "perkie deploy status")


async def _health(uri: str) -> Said:
    """Nothing that stops a canary: what is shipped may be the remedy."""
    import httpx2

    try:
        async with httpx2.AsyncClient(timeout=_TIMEOUT) as client:
            answer = await client.get(f"{uri}/health")
    except (httpx2.HTTPError, httpx2.InvalidURL) as problem:
        return warning(f"{uri}/health does not answer: {type(problem).__name__}", f"curl -i {uri}/health")
    if answer.status_code in (401, 403, 404):
        return skipped(f"{uri}/health answers {answer.status_code}: the service is not open to everybody")
    if answer.status_code != 200:
        return warning(f"{uri}/health answers {answer.status_code}", f"curl -i {uri}/health")
    return ok("what runs now is healthy")


async def _dry_run(writer: Writer, live: LiveService, template: Mapping[str, object]) -> Said:
    change = ServiceChange(live.name, live.etag, live.traffic, live.annotations, template)
    try:
        accepted = await writer.run.change(change, validate_only=True)
    except PerkieError as problem:
        return failed(problem)
    return ok("Cloud Run would take it") if accepted else error("the service is being changed", "Try again.")


def errors_of(found: Sequence[Named]) -> Sequence[Named]:
    """Those that stop a canary."""
    return [each for each in found if each[1].level is Level.ERROR]
