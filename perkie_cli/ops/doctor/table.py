"""The table of checks: id → what it looks at, how, and with which client it uses the network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from perkie_cli.config.schema import Settings
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.ops.doctor.checks import gemini, iam, machine, matting, run, security, setup, stores, telemetry
from perkie_cli.ops.doctor.examine import Probe
from perkie_cli.ops.doctor.needs import uses_cloud
from perkie_cli.ops.doctor.said import Said, failed, skipped
from perkie_cli.ops.doctor.subject import Subject

SETTINGS = "config.settings"


def _here(_: Settings) -> str | None:
    """Nothing outside of this machine is asked."""
    return None


def _api(_: Settings) -> str:
    return "google.genai"


def _date(_: Settings) -> str:
    return "httpx2"


def _bucket(settings: Settings) -> str | None:
    return "google.cloud.storage" if settings.cache.store == "gcs" else None


def _quotas(settings: Settings) -> str | None:
    return "google.cloud.firestore" if settings.quota.store == "firestore" else None


def _collector(settings: Settings) -> str | None:
    return "socket" if settings.telemetry.otlp_endpoint is not None else None


def _firestore(settings: Settings) -> str | None:
    return _quotas(settings) or _ledger(settings)


def _ledger(settings: Settings) -> str | None:
    return "google.cloud.firestore" if settings.gemini.ledger == "firestore" else None


def _cloud(settings: Settings) -> str | None:
    return "google.auth.transport.requests" if uses_cloud(settings) else None


def _shipped(_: Settings) -> str | None:
    return "google.cloud.run_v2" if run.FILE.exists() else None


@frozen
class Check:
    """``client`` names, for these settings, the library with which it uses the network; None if it does not."""

    title: str
    run: Callable[[Subject], Awaitable[Sequence[Said]]]
    client: Callable[[Settings], str | None] = _here


CHECKS: Mapping[str, Check] = {
    SETTINGS: Check("config files, profiles and variables, with their typos", setup.settings),
    "config.styles": Check("style files", setup.styles),
    "gemini.key": Check("the API accepts the key or account", gemini.key, _api),
    "gemini.model": Check("the model is known, and not shut down within 30 days", gemini.model),
    "gemini.listed": Check("the API still has the model", gemini.listed, _api),
    "spend.today": Check("today's spending against the cap", gemini.spend, _ledger),
    "gemini.orders": Check("orders of the Batch API that are older than a day", gemini.orders, _quotas),
    "clock": Check("this machine's clock against the upstream's", machine.clock, _date),
    "disk.space": Check("room for the cache and the state folder", machine.disk),
    "state.files": Check("the SQLite files of quotas, spending, outputs and runs", stores.state),
    "cache.store": Check("the store of pictures, and its size against cache.max_size", stores.cache, _bucket),
    "bucket.access": Check("the bucket cannot be made public", stores.bucket_access, _bucket),
    "bucket.iam": Check("no stranger is in the bucket's policy", stores.bucket_iam, _bucket),
    "bucket.rules": Check("the bucket's lifetime rules, versions and soft delete", stores.bucket_rules, _bucket),
    "quota.store": Check("the store of quotas", stores.quotas, _quotas),
    "firestore.ttl": Check("a TTL policy for each collection of Firestore", stores.ttl, _firestore),
    "iam.permissions": Check("the server's account may do all that perkie needs", iam.permissions, _cloud),
    "iam.roles": Check("the server's account may not do much more", iam.roles, _cloud),
    "iam.keys": Check("no old keys of the server's account are about", iam.keys, _cloud),
    "run.services": Check("who may call the services of deploy.toml, and as whom they run", run.services, _shipped),
    "matting.weights": Check("the weights of the configured matting engine", matting.weights),
    "matting.builtin": Check("the weights that come with perkie", matting.builtin),
    "security.files": Check("files with keys or settings are closed to others", security.files),
    "security.access": Check("who may call the server, and the secret of its links", security.access),
    "security.keys": Check("no service account's key lies on this machine", iam.key_files),
    "telemetry.sinks": Check("where metrics and traces are sent", telemetry.sinks, _collector),
    "versions": Check("perkie, Python and the packages it needs", setup.versions),
}


def probes(subject: Subject, ids: Sequence[str]) -> Sequence[Probe]:
    """These checks, ready to run over the installation."""
    chosen = [(each, CHECKS[each]) for each in ids]
    return [Probe(name, partial(check.run, subject), check.client(subject.settings)) for name, check in chosen]


def without_settings(problem: PerkieError, ids: Sequence[str]) -> Sequence[Probe]:
    """Settings that cannot be read are the one finding, whatever was asked for: the others say nothing without them."""

    async def settings() -> Sequence[Said]:
        return [failed(problem)]

    async def other() -> Sequence[Said]:
        return [skipped("the settings cannot be read")]

    return [Probe(SETTINGS, settings), *(Probe(each, other) for each in ids if each != SETTINGS)]
