"""What stands around the services, as a shell script of gcloud commands and the JSON files that they read.

Each command can be run again: what is there is left, or set to the same.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from perkie_cli.domain.storage.lifecycle import Rule
from perkie_cli.domain.storage.lifecycle_json import rule_to
from perkie_cli.domain.storage.lifecycle_review import for_versioned
from perkie_cli.ops.deploy.container import job_secrets
from perkie_cli.ops.deploy.settings import Environment, JobSpec, ServiceSpec

TTL_FIELD = "expire_at"
COLLECTIONS = ("quota", "leases", "spend", "key_uses")
CORS, LIFECYCLE, CLEANUP = "bucket-cors.json", "bucket-lifecycle.json", "registry-cleanup.json"
API = "https://run.googleapis.com/v2"
_HEAD = """\
#!/bin/sh
# Made by `perkie deploy render`; change deploy.toml instead. Creates what is missing in {project}, and sets the rest.
set -eu
cd "$(dirname "$0")"
there() {{ "$@" >/dev/null 2>&1; }}
"""


def files(environment: Environment, rules: Sequence[Rule]) -> Mapping[str, str]:
    """By name. ``rules``: lifetimes of the bucket."""
    return {
        "setup.sh": script(environment),
        CORS: _json(_cors(environment)),
        LIFECYCLE: _json(
            {"rule": [rule_to(each) for each in (for_versioned(rules) if environment.bucket.versioning else rules)]}
        ),
        CLEANUP: _json(_cleanup(environment)),
    }


def script(environment: Environment) -> str:
    """The commands, in an order in which each finds what it needs."""
    parts = {
        "APIs": _apis(environment),
        "service accounts": _accounts(environment),
        "the repository of images": _registry(environment),
        "secrets: their values are added with `gcloud secrets versions add`": _secrets(environment),
        "the bucket of the cache": _bucket(environment),
        "Firestore": _firestore(environment),
        "what the services may do": _roles(environment),
        "schedules, and who may call: run this script again once the services and the job are there": _calls(
            environment
        ),
    }
    body = [f"\n# {title}\n" + "\n".join(commands) + "\n" for title, commands in parts.items()]
    return _HEAD.format(project=environment.project) + "".join(body)


def _apis(environment: Environment) -> Iterator[str]:
    names = ["run", "artifactregistry", "secretmanager", "storage", "firestore", "cloudscheduler", "monitoring"]
    names += ["iamcredentials"]  # signs links to the bucket
    names += ["iam", "cloudresourcemanager"]  # tell the doctor what the accounts may do
    if _draws_by_vertex(environment):
        names.append("aiplatform")
    yield _gcloud(environment, "services", "enable", *(f"{name}.googleapis.com" for name in names))


def _accounts(environment: Environment) -> Iterator[str]:
    for account in _all_accounts(environment):
        yield _unless_there(
            _gcloud(environment, "iam", "service-accounts", "describe", environment.email(account)),
            _gcloud(environment, "iam", "service-accounts", "create", account),
        )


def _all_accounts(environment: Environment) -> Sequence[str]:
    jobs = [environment.warm.account] if environment.warm else []
    return [*(each.account for each in environment.services), *jobs, "perkie-scheduler", "perkie-deployer"]


def _registry(environment: Environment) -> Iterator[str]:
    name, place = environment.registry.name, f"--location={environment.region}"
    repositories = ("artifacts", "repositories")
    yield _unless_there(
        _gcloud(environment, *repositories, "describe", name, place),
        _gcloud(environment, *repositories, "create", name, place, "--repository-format=docker"),
    )
    yield _gcloud(
        environment, *repositories, "set-cleanup-policies", name, place, f"--policy={CLEANUP}", "--no-dry-run"
    )
    yield _gcloud(
        environment, *repositories, "add-iam-policy-binding", name, place, *_member(environment, "perkie-deployer"),
        "--role=roles/artifactregistry.reader",
    )  # fmt: skip


def _secrets(environment: Environment) -> Iterator[str]:
    readers: dict[str, list[str]] = {}
    for each in environment.services:
        for secret in each.secrets.values():
            readers.setdefault(secret, []).append(each.account)
    if environment.warm:
        for secret in job_secrets(environment).values():
            readers.setdefault(secret, []).append(environment.warm.account)
    for secret, accounts in sorted(readers.items()):
        yield _unless_there(
            _gcloud(environment, "secrets", "describe", secret),
            _gcloud(environment, "secrets", "create", secret, "--replication-policy=automatic"),
        )
        for account in sorted(set(accounts)):
            yield _gcloud(
                environment, "secrets", "add-iam-policy-binding", secret, *_member(environment, account),
                "--role=roles/secretmanager.secretAccessor",
            )  # fmt: skip


def _bucket(environment: Environment) -> Iterator[str]:
    spec, url = environment.bucket, f"gs://{environment.bucket.name}"
    yield _unless_there(
        _gcloud(environment, "storage", "buckets", "describe", url),
        _gcloud(
            environment, "storage", "buckets", "create", url, f"--location={spec.location}",
            "--uniform-bucket-level-access", "--public-access-prevention",
        ),
    )  # fmt: skip
    kept = f"--soft-delete-duration={spec.soft_delete_days}d" if spec.soft_delete_days else "--clear-soft-delete"
    yield _gcloud(
        environment, "storage", "buckets", "update", url, f"--cors-file={CORS}", f"--lifecycle-file={LIFECYCLE}",
        kept, "--versioning" if spec.versioning else "--no-versioning",
    )  # fmt: skip


def _firestore(environment: Environment) -> Iterator[str]:
    spec, database = environment.firestore, f"--database={environment.firestore.database}"
    yield _unless_there(
        _gcloud(environment, "firestore", "databases", "describe", database),
        _gcloud(
            environment, "firestore", "databases", "create", database, f"--location={spec.location}",
            "--type=firestore-native",
        ),
    )  # fmt: skip
    for name in COLLECTIONS:
        yield _gcloud(
            environment, "firestore", "fields", "ttls", "update", TTL_FIELD, database,
            f"--collection-group={spec.prefix}{name}", "--enable-ttl", "--async",
        )  # fmt: skip
    listed = _gcloud(environment, "firestore", "backups", "schedules", "list", database, "--format=value(name)")
    create = _gcloud(
        environment, "firestore", "backups", "schedules", "create", database, "--recurrence=daily",
        f"--retention={spec.backup_retention}",
    )  # fmt: skip
    yield f'[ -n "$({listed})" ] || {create}'


def _roles(environment: Environment) -> Iterator[str]:
    drawing = environment.services[0]
    writers = [drawing.account, *([environment.warm.account] if environment.warm else [])]
    for account in writers:
        yield _gcloud(
            environment, "storage", "buckets", "add-iam-policy-binding", f"gs://{environment.bucket.name}",
            *_member(environment, account), "--role=roles/storage.objectUser",
        )  # fmt: skip
        yield _project_role(environment, account, "roles/datastore.user")
    if _draws_by_vertex(environment):
        yield from (_project_role(environment, account, "roles/aiplatform.user") for account in writers)
    yield _on_account(environment, drawing.account, drawing.account, "roles/iam.serviceAccountTokenCreator")
    for each in environment.services:
        yield _project_role(environment, each.account, "roles/monitoring.metricWriter")
    yield _project_role(environment, "perkie-deployer", "roles/run.developer")
    yield _project_role(environment, "perkie-deployer", "roles/monitoring.viewer")
    for account in _all_accounts(environment)[:-2]:
        yield _on_account(environment, account, "perkie-deployer", "roles/iam.serviceAccountUser")


def _draws_by_vertex(environment: Environment) -> bool:
    return "GOOGLE_GENAI_USE_VERTEXAI" in environment.services[0].env


def _calls(environment: Environment) -> Iterator[str]:
    if environment.warm:
        yield from _warming(environment, environment.warm)
    for each in environment.services:
        yield from _scaling(environment, each)
    for each in environment.services:
        if each.public:
            yield _on_service(environment, each, "allUsers", "roles/run.invoker")


def _warming(environment: Environment, job: JobSpec) -> Iterator[str]:
    bind = _gcloud(
        environment, "run", "jobs", "add-iam-policy-binding", job.name, f"--region={environment.region}",
        *_member(environment, "perkie-scheduler"), "--role=roles/run.invoker",
    )  # fmt: skip
    yield _if_there(environment, "jobs", job.name, bind)
    uri = f"{API}/projects/{environment.project}/locations/{environment.region}/jobs/{job.name}:run"
    yield _schedule(environment, job.name, job.schedule, uri, ("--http-method=POST",))


def _scaling(environment: Environment, service: ServiceSpec) -> Iterator[str]:
    if not service.scaling:
        return
    yield _on_service(environment, service, _principal(environment, "perkie-scheduler"), "roles/run.developer")
    yield _on_account(environment, service.account, "perkie-scheduler", "roles/iam.serviceAccountUser")
    path = f"{API}/projects/{environment.project}/locations/{environment.region}/services/{service.name}"
    for number, window in enumerate(service.scaling, 1):
        body = json.dumps({"scaling": {"minInstanceCount": window.min_instances}})
        uri = f"{path}?updateMask=scaling.minInstanceCount"
        headers = "Content-Type=application/json,X-HTTP-Method-Override=PATCH"  # gcloud knows no PATCH
        yield _schedule(
            environment, f"{service.name}-scale-{number}", window.schedule, uri,
            ("--http-method=POST", f"--message-body={body}"), headers,
        )  # fmt: skip


def _schedule(environment: Environment, name: str, cron: str, uri: str, more: Sequence[str], headers: str = "") -> str:
    place = f"--location={environment.region}"
    account = f"--oauth-service-account-email={environment.email('perkie-scheduler')}"
    options = (place, f"--schedule={cron}", f"--time-zone={environment.time_zone}", f"--uri={uri}", account, *more)
    jobs = ("scheduler", "jobs")
    there = _gcloud(environment, *jobs, "describe", name, place)
    set_, renew = ((f"--headers={headers}",), (f"--update-headers={headers}",)) if headers else ((), ())
    update = _gcloud(environment, *jobs, "update", "http", name, *options, *renew)
    create = _gcloud(environment, *jobs, "create", "http", name, *options, *set_)
    return f"if there {there}; then {update}; else {create}; fi"


def _project_role(environment: Environment, account: str, role: str) -> str:
    return _gcloud(
        environment, "projects", "add-iam-policy-binding", environment.project, *_member(environment, account),
        f"--role={role}", "--condition=None",
    )  # fmt: skip


def _on_account(environment: Environment, account: str, user: str, role: str) -> str:
    return _gcloud(
        environment, "iam", "service-accounts", "add-iam-policy-binding", environment.email(account),
        *_member(environment, user), f"--role={role}",
    )  # fmt: skip


def _on_service(environment: Environment, service: ServiceSpec, principal: str, role: str) -> str:
    bind = _gcloud(
        environment, "run", "services", "add-iam-policy-binding", service.name, f"--region={environment.region}",
        f"--member={principal}", f"--role={role}",
    )  # fmt: skip
    return _if_there(environment, "services", service.name, bind)


def _if_there(environment: Environment, kind: str, name: str, command: str) -> str:
    look = _gcloud(environment, "run", kind, "describe", name, f"--region={environment.region}")
    return f"if there {look}; then {command}; fi"


def _member(environment: Environment, account: str) -> Sequence[str]:
    return (f"--member={_principal(environment, account)}",)


def _principal(environment: Environment, account: str) -> str:
    return f"serviceAccount:{environment.email(account)}"


def _unless_there(look: str, create: str) -> str:
    return f"there {look} || {create}"


def _gcloud(environment: Environment, *words: str) -> str:
    project = () if words[:1] == ("projects",) else (f"--project={environment.project}",)
    return shlex.join(["gcloud", *words, *project, "--quiet"])


def _cors(environment: Environment) -> list[dict[str, Any]]:
    origins: Iterable[str] = environment.bucket.cors_origins
    if not origins:
        return []
    return [
        {"origin": [*origins], "method": ["GET", "HEAD"], "responseHeader": ["Content-Type"], "maxAgeSeconds": 3600}
    ]


def _cleanup(environment: Environment) -> list[dict[str, Any]]:
    """Keeping deletes nothing by itself: it spares some of what the other policy deletes."""
    registry = environment.registry
    return [
        {"name": "keep", "action": {"type": "Keep"}, "mostRecentVersions": {"keepCount": registry.keep}},
        {
            "name": "delete",
            "action": {"type": "Delete"},
            "condition": {"tagState": "any", "olderThan": f"{registry.delete_after_days}d"},
        },
    ]


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
