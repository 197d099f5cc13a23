"""What roles permit, as far as perkie asks: https://docs.cloud.google.com/iam/docs/roles-permissions"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_READ = ("storage.objects.get", "storage.objects.list")
_OBJECTS = (*_READ, "storage.objects.create", "storage.objects.delete", "storage.objects.update")
_BUCKETS = tuple(f"storage.buckets.{each}" for each in ("create", "delete", "get", "list", "update"))
_POLICY = ("storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy")
_ENTITIES = tuple(f"datastore.entities.{each}" for each in ("create", "delete", "get", "list", "update"))
_WRITE = ("monitoring.timeSeries.create", "monitoring.metricDescriptors.create", "monitoring.metricDescriptors.list")
_SERIES = (*_WRITE, "monitoring.timeSeries.list", "monitoring.alertPolicies.create", "monitoring.alertPolicies.list")
_SERVICES = ("run.services.get", "run.services.list", "run.services.update")
_ACCOUNTS = ("iam.serviceAccounts.get", "iam.serviceAccounts.list", "iam.serviceAccountKeys.list")
_TOKENS = ("iam.serviceAccounts.signBlob", "iam.serviceAccounts.signJwt", "iam.serviceAccounts.getAccessToken")
_EDITOR = (
    *(*_BUCKETS, *_ENTITIES, *_SERIES, *_SERVICES, *_ACCOUNTS),
    *("aiplatform.endpoints.predict", "iam.serviceAccounts.actAs", "iam.serviceAccountKeys.create"),
    *("resourcemanager.projects.get", "secretmanager.secrets.get"),
)
ROLES: Mapping[str, Sequence[str]] = {
    "roles/owner": (
        *(*_EDITOR, *_POLICY, *_OBJECTS),
        *("resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy"),
        *("secretmanager.secrets.getIamPolicy", "secretmanager.secrets.setIamPolicy"),
        *("iam.serviceAccounts.getIamPolicy", "iam.serviceAccounts.setIamPolicy"),
        *("secretmanager.versions.access", "run.services.getIamPolicy", "run.services.setIamPolicy"),
    ),
    "roles/editor": _EDITOR,
    "roles/viewer": (*_ACCOUNTS, "resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy"),
    "roles/iam.securityReviewer": ("resourcemanager.projects.getIamPolicy", "storage.buckets.getIamPolicy"),
    "roles/storage.admin": (*_BUCKETS, *_POLICY, *_OBJECTS),
    "roles/storage.objectAdmin": _OBJECTS,
    "roles/storage.objectUser": _OBJECTS,
    "roles/storage.objectViewer": _READ,
    "roles/datastore.owner": _ENTITIES,
    "roles/datastore.user": _ENTITIES,
    "roles/datastore.viewer": ("datastore.entities.get", "datastore.entities.list"),
    "roles/monitoring.editor": _SERIES,
    "roles/monitoring.metricWriter": _WRITE,
    "roles/aiplatform.user": ("aiplatform.endpoints.predict",),
    "roles/run.developer": _SERVICES,
    "roles/run.invoker": ("run.routes.invoke",),
    "roles/secretmanager.secretAccessor": ("secretmanager.versions.access",),
    "roles/iam.serviceAccountUser": ("iam.serviceAccounts.actAs", "iam.serviceAccounts.get"),
    "roles/iam.serviceAccountTokenCreator": _TOKENS,
    "roles/iam.serviceAccountKeyAdmin": ("iam.serviceAccountKeys.create", "iam.serviceAccountKeys.list"),
    "roles/iam.serviceAccountViewer": _ACCOUNTS,
}
BEARER = "Bearer emulated:"  # and the address of a service account: the token of an emulated login


def caller_of(authorization: str | None) -> str | None:
    """The member behind a request's token; None for others' tokens and for none."""
    if authorization is None or not authorization.startswith(BEARER):
        return None
    return f"serviceAccount:{authorization.removeprefix(BEARER)}"


def permitted(bindings: Iterable[Mapping[str, Any]], member: str) -> Iterator[str]:
    """What the bindings give that member. Conditions are taken as fulfilled."""
    for binding in bindings:
        if not {member, "allUsers", "allAuthenticatedUsers"}.isdisjoint(binding.get("members", ())):
            yield from ROLES.get(binding["role"], ())
