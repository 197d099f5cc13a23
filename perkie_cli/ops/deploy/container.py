"""What the container of a service or job gets: its variables, secrets and probes, the same for both API versions."""

from __future__ import annotations

from collections.abc import Mapping

from perkie_cli.domain.frozen import frozen
from perkie_cli.ops.deploy.settings import FILE_SETTINGS, SECRETS, Environment, JobSpec, ServiceSpec

PORT = 8080
VALUE = "value"  # the file of a secret in its folder


@frozen
class ProbeSpec:
    """A GET of /health. Times in seconds."""

    period: int
    timeout: int
    failures: int


STARTUP = {"artistic": ProbeSpec(2, 2, 30), "matting": ProbeSpec(4, 4, 60)}
LIVENESS = ProbeSpec(30, 5, 3)


def variables(environment: Environment, spec: ServiceSpec) -> Mapping[str, str]:
    """By name: what every server needs, what the settings say over it, and where its secrets are."""
    usual = {
        "PERKIE_HTTP_HOST": "0.0.0.0",  # noqa: S104  # in a container
        "PERKIE_HTTP_ROLE": spec.role,
        "PERKIE_HTTP_TRUSTED_HOPS": "1",
        "PERKIE_OFFLINE": "1",
        "PERKIE_TELEMETRY_LOG_FORMAT": "json",
        "PERKIE_TELEMETRY_MONITORING": "true",  # the gate reads it
        "PERKIE_TELEMETRY_PROJECT": environment.project,
    }
    if spec.role == "artistic":
        usual |= {"PERKIE_HTTP_AUTH": "jwt,shopify-proxy", **_stores(environment)}
    else:
        usual |= {"PERKIE_HTTP_AUTH": "api-key"}
    return dict(sorted({**usual, **spec.env, **_places(spec.secrets)}.items()))


def job_variables(environment: Environment, job: JobSpec) -> Mapping[str, str]:
    """The job draws for the artistic service: its own variables that are no server's, and the same Gemini key."""
    del job
    drawing = environment.services[0]
    env = {name: value for name, value in drawing.env.items() if not name.startswith("PERKIE_HTTP_")}
    return dict(sorted({**_stores(environment), **env, **_places(job_secrets(environment))}.items()))


def job_secrets(environment: Environment) -> Mapping[str, str]:
    """Those of the artistic service that no caller is checked by."""
    named = environment.services[0].secrets
    return {name: value for name, value in named.items() if name in ("GEMINI_API_KEY", "PERKIE_MATTING_REMOTE_KEY")}


def _stores(environment: Environment) -> Mapping[str, str]:
    return {
        "PERKIE_CACHE_STORE": "gcs",
        "PERKIE_CACHE_BUCKET": environment.bucket.name,
        "PERKIE_QUOTA_STORE": "firestore",
        "PERKIE_GEMINI_LEDGER": "firestore",
        "PERKIE_FIRESTORE_PROJECT": environment.project,
        "PERKIE_FIRESTORE_DATABASE": environment.firestore.database,
        "PERKIE_FIRESTORE_PREFIX": environment.firestore.prefix,
    }


def _places(secrets: Mapping[str, str]) -> Mapping[str, str]:
    """A mounted secret is read anew with each access; as a variable it would be fixed when the instance starts."""
    return {
        name: place if name in FILE_SETTINGS else f"file://{place}"
        for name, place in ((name, f"{SECRETS}/{secret}/{VALUE}") for name, secret in secrets.items())
    }
