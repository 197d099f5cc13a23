"""What perkie may have to do in Google Cloud as it is set up, and which roles are more than that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from perkie_cli.config.schema import Settings, rows
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.iam import Kind, Resource
from perkie_cli.domain.secret import Secret
from perkie_cli.domain.storage.protection import bucket_name

SECRET = "sm://"  # noqa: S105  # how references begin
NO_CLOUD = "nothing of Google Cloud is used"
_SAVES = ("create", "get", "list", "update", "delete")
_EMULATED = "CLOUD_IAM_EMULATOR_HOST"


@frozen
class Need:
    """``role`` has the permissions, and little else. ``without``: what happens; ``vital``: pictures fail then."""

    resource: Resource
    permissions: frozenset[str]
    role: str
    without: str
    vital: bool = True


# What only those need who change the project. Each may come from a role on the project, its folder or organisation.
POWERS: Mapping[str, str] = {
    "resourcemanager.projects.setIamPolicy": "give anybody any role",
    "iam.serviceAccountKeys.create": "make keys of every account",
    "iam.serviceAccounts.actAs": "act as every account",
    "secretmanager.versions.access": "read every secret",
    "storage.buckets.delete": "delete every bucket",
    "storage.objects.get": "read every bucket",
}
# On a project. Of those with a dot, what is enough has the same beginning: `roles/storage.`.
BROAD = (
    *("roles/owner", "roles/editor"),
    *("roles/storage.admin", "roles/storage.objectAdmin", "roles/storage.objectUser", "roles/storage.objectViewer"),
    *("roles/datastore.owner", "roles/firebase.admin", "roles/aiplatform.admin"),
    *("roles/monitoring.admin", "roles/monitoring.editor"),
    *("roles/secretmanager.admin", "roles/secretmanager.secretAccessor"),
    *("roles/run.admin", "roles/run.developer", "roles/resourcemanager.projectIamAdmin", "roles/iam.securityAdmin"),
    *("roles/iam.serviceAccountAdmin", "roles/iam.serviceAccountKeyAdmin", "roles/iam.serviceAccountUser"),
    "roles/iam.serviceAccountTokenCreator",
)
BROAD_ON_BUCKET = ("roles/storage.admin",)


def needs(settings: Settings, environ: Mapping[str, str], project: str | None) -> Iterator[Need]:
    """``project``: the one of the credentials, where the settings name none. What an emulator serves is left out."""
    served = {name for name in environ if name.endswith("_EMULATOR_HOST")} if _EMULATED not in environ else set()
    own = settings.firestore.project or project
    if settings.cache.store == "gcs" and settings.cache.bucket:
        bucket = Resource(Kind.BUCKET, bucket_name(settings.cache.bucket))
        saves = frozenset(f"storage.objects.{each}" for each in _SAVES)
        yield Need(bucket, saves, "roles/storage.objectUser", "pictures are not kept or not found")
    kept = {"quotas": settings.quota.store, "spending": settings.gemini.ledger}
    if "firestore" in kept.values() and own is not None and "FIRESTORE_EMULATOR_HOST" not in served:
        saves = frozenset(f"datastore.entities.{each}" for each in _SAVES)
        names = " and ".join(name for name, store in kept.items() if store == "firestore")
        yield Need(Resource(Kind.PROJECT, own), saves, "roles/datastore.user", f"{names} cannot be counted")
    measured = settings.telemetry.project or own
    if settings.telemetry.monitoring and measured is not None and "MONITORING_EMULATOR_HOST" not in served:
        writes = frozenset({"monitoring.timeSeries.create", "monitoring.metricDescriptors.create"})
        where, role = Resource(Kind.PROJECT, measured), "roles/monitoring.metricWriter"
        yield Need(where, writes, role, "metrics are lost, and no alert comes", vital=False)
    if settings.gemini.vertexai and (drawn := settings.gemini.project or own) is not None:
        where, role = Resource(Kind.PROJECT, drawn), "roles/aiplatform.user"
        yield Need(where, frozenset({"aiplatform.endpoints.predict"}), role, "customers get substitutes")
    yield from _secrets(settings)


def uses_cloud(settings: Settings) -> bool:
    """Whether it needs permissions of Google Cloud at all."""
    return any(True for _ in needs(settings, {}, "any"))


def signing(settings: Settings, account: str) -> Need | None:
    """An account without a key of its own signs links to the bucket by asking IAM to."""
    if settings.cache.store != "gcs" or settings.http.role == "matting":
        return None
    role, without = "roles/iam.serviceAccountTokenCreator", "links lead to the server instead of the bucket"
    itself = Resource(Kind.ACCOUNT, account)
    return Need(itself, frozenset({"iam.serviceAccounts.signBlob"}), role, without, vital=False)


def _secrets(settings: Settings) -> Iterator[Need]:
    for row in rows():
        value = row.value(settings)
        if isinstance(value, Secret) and value.reveal().startswith(SECRET):
            name = value.reveal().removeprefix(SECRET).partition("/versions/")[0]
            access = frozenset({"secretmanager.versions.access"})
            where, role = Resource(Kind.SECRET, name), "roles/secretmanager.secretAccessor"
            yield Need(where, access, role, f"{row.name} cannot be read")
