"""Buckets: create, list, change, delete, retention, IAM policies and managed folders."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl

from perkie_cli.domain.storage.lifecycle_json import rules_from
from perkie_cli.emulators.http_server import Request
from perkie_cli.emulators.iam.roles import caller_of, permitted
from perkie_cli.emulators.storage import folders
from perkie_cli.emulators.storage.errors import ApiError
from perkie_cli.emulators.storage.listing import page_of
from perkie_cli.emulators.storage.records import Bucket, Json, ManagedFolder
from perkie_cli.emulators.storage.resources import BUCKET_FIELDS, bucket_json, etag, patched, stamp, writable
from perkie_cli.emulators.storage.state import State, check_preconditions

SOFT_DELETE_DEFAULT = {"retentionDurationSeconds": "604800"}  # as a new bucket has it
LONGEST_RETENTION = 3_155_760_000  # seconds


class Buckets:
    """Each call checks and acts atomically."""

    def __init__(self, state: State) -> None:
        self._state = state

    def listing(self, request: Request) -> Json:
        """A page by name. Raises: ApiError 400."""
        query = request.query
        if not query.get("project"):
            raise ApiError(400, "Required parameter: project")
        names = sorted(name for name in self._state.buckets if name.startswith(query.get("prefix", "")))
        page, token = page_of(names, query.get("maxResults"), query.get("pageToken"))
        items = [bucket_json(self._state.buckets[name], request.base) for name in page]
        return {"kind": "storage#buckets", "items": items, **({"nextPageToken": token} if token else {})}

    def create(self, given: Json) -> Bucket:
        """Creates a bucket. Raises: ApiError 400, 409."""
        if given["name"] in self._state.buckets:
            raise ApiError(409, "Your previous request to create the named bucket succeeded and you already own it.")
        now = self._state.clock.now()
        fields = {"softDeletePolicy": SOFT_DELETE_DEFAULT, **_checked({}, writable(given, BUCKET_FIELDS), now)}
        bucket = self._state.buckets[given["name"]] = Bucket(given["name"], fields, now)
        return bucket

    def change(self, bucket: Bucket, given: Json, *, whole: bool) -> None:
        """PATCH, or PUT when ``whole``. Raises: ApiError 400, 403."""
        fields = writable(given, BUCKET_FIELDS) if whole else patched(bucket.fields, given, BUCKET_FIELDS)
        bucket.fields = _checked(bucket.fields, fields, self._state.clock.now())
        bucket.metageneration += 1

    def delete(self, bucket: Bucket) -> None:
        """Deletes an empty bucket. Raises: ApiError 409."""
        if any(self._state.all_versions(bucket)):
            raise ApiError(409, "The bucket you tried to delete is not empty.")
        del self._state.buckets[bucket.name]

    def lock_retention(self, bucket: Bucket, query: Mapping[str, str]) -> None:
        """Locks the retention period, which can then only grow. Raises: ApiError 400, 412."""
        if "ifMetagenerationMatch" not in query:
            raise ApiError(400, "Required parameter: ifMetagenerationMatch")
        check_preconditions(query, bucket)
        if not bucket.fields.get("retentionPolicy"):
            raise ApiError(400, "The bucket has no retention policy.")
        bucket.fields["retentionPolicy"]["isLocked"] = True
        bucket.metageneration += 1

    def folders(self, bucket: Bucket, request: Request) -> Json:
        """Lists managed folders, or creates one. Raises: ApiError."""
        if request.method == "GET":
            return folders.listing(bucket, request.query, request.base)
        made = folders.create(bucket, request.json_object(), self._state.clock.now())
        return folders.resource(bucket, made, request.base)


def policy(owner: Bucket | ManagedFolder, request: Request) -> Json:
    """The IAM policy, after a PUT replaced it. Raises: ApiError 403 for an account that may not."""
    needed = f"storage.buckets.{'set' if request.method == 'PUT' else 'get'}IamPolicy"
    if (caller := caller_of(request.headers.get("authorization"))) is not None and needed not in _held(owner, caller):
        raise ApiError(
            403, f"{caller.partition(':')[2]} does not have {needed} access to the Google Cloud Storage bucket."
        )
    if request.method == "PUT":
        owner.policy = request.json_object()
        owner.metageneration += 1
    return {**owner.policy, "etag": etag(owner)}


def permissions(owner: Bucket | ManagedFolder, request: Request) -> Json:
    """What the policy gives to an account that the token names; whoever names none has every permission."""
    asked = [value for name, value in parse_qsl(request.raw_query) if name == "permissions"]
    caller = caller_of(request.headers.get("authorization"))
    held = asked if caller is None else _held(owner, caller)
    found = [each for each in asked if each in held]
    return {"kind": "storage#testIamPermissionsResponse", **({"permissions": found} if found else {})}


def _held(owner: Bucket | ManagedFolder, caller: str) -> set[str]:
    return set(permitted(owner.policy.get("bindings", ()), caller))


def _checked(before: Json, after: Json, now: datetime) -> Json:
    """The fields with a complete retention policy. Raises: ApiError 400, 403, and errors of the lifecycle rules."""
    rules_from(after.get("lifecycle") or {})
    old, new = before.get("retentionPolicy") or {}, after.get("retentionPolicy") or {}
    period = int(new.get("retentionPeriod") or 0)
    if new and not 0 < period < LONGEST_RETENTION:
        raise ApiError(400, f"Retention period must be between 1 and {LONGEST_RETENTION} seconds.")
    if old.get("isLocked") and period < int(old["retentionPeriod"]):
        raise ApiError(403, "Cannot reduce retention duration of a locked Retention Policy.", "forbidden")
    if not new:
        return after
    same = old.get("retentionPeriod") == str(period)
    policy = {
        "retentionPeriod": str(period),
        "effectiveTime": old["effectiveTime"] if same else stamp(now),
        "isLocked": bool(old.get("isLocked")),
    }
    return {**after, "retentionPolicy": policy}
