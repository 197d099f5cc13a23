"""The API's JSON: buckets and objects as resources, and the fields that a client may write."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from perkie_cli.emulators.storage.errors import ApiError, not_emulated
from perkie_cli.emulators.storage.records import Bucket, Json, ManagedFolder, Version
from perkie_cli.emulators.storage.retention import retained_until

OBJECT_FIELDS = frozenset({
    "cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType", "customTime",
    "eventBasedHold", "metadata", "storageClass", "temporaryHold",
})  # fmt: skip
# Given by a client, these would have to change what the emulator does.
NOT_EMULATED = {
    "acl": "Access control by object (ACL)",
    "hierarchicalNamespace": "A hierarchical namespace",
    "kmsKeyName": "Encryption by a key of your own",
    "objectRetention": "Retention by object",
    "retention": "Retention by object",
}
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
BUCKET_FIELDS = frozenset({
    "autoclass", "billing", "cors", "defaultEventBasedHold", "encryption", "iamConfiguration", "labels", "lifecycle",
    "location", "logging", "retentionPolicy", "rpo", "softDeletePolicy", "storageClass", "versioning", "website",
})  # fmt: skip


def stamp(time: datetime, precision: str = "microseconds") -> str:
    """RFC 3339 with milliseconds or finer, as the API writes it."""
    return time.isoformat(timespec=precision).replace("+00:00", "Z")


def object_json(bucket: Bucket, version: Version, base: str) -> Json:
    """https://docs.cloud.google.com/storage/docs/json_api/v1/objects#resource"""
    link = f"{base}/storage/v1/b/{bucket.name}/o/{quote(version.name, safe='')}"
    times = {"timeCreated": version.created, "updated": version.updated or version.created}
    times |= {"timeStorageClassUpdated": version.created}
    if (until := retained_until(bucket, version)) is not None:
        times["retentionExpirationTime"] = until
    if version.noncurrent is not None:
        times["timeDeleted"] = version.noncurrent
    if version.soft_deleted is not None:
        times |= {
            "softDeleteTime": version.soft_deleted,
            "hardDeleteTime": version.soft_deleted + bucket.soft_retention,
        }
    return {
        "kind": "storage#object",
        "id": f"{bucket.name}/{version.name}/{version.generation}",
        "selfLink": link,
        "mediaLink": f"{base}/download/storage/v1/b/{bucket.name}/o/{quote(version.name, safe='')}?alt=media",
        "name": version.name,
        "bucket": bucket.name,
        "generation": str(version.generation),
        "metageneration": str(version.metageneration),
        "size": str(len(version.data)),
        "crc32c": version.crc32c,
        **_made_of(version),
        "etag": etag(version),
        "storageClass": "STANDARD",
        **{name: stamp(time) for name, time in times.items()},
        **version.fields,
    }


def _made_of(version: Version) -> Json:
    return {"md5Hash": version.md5} if version.components is None else {"componentCount": version.components}


def bucket_json(bucket: Bucket, base: str) -> Json:
    """https://docs.cloud.google.com/storage/docs/json_api/v1/buckets#resource"""
    return {
        "kind": "storage#bucket",
        "id": bucket.name,
        "name": bucket.name,
        "selfLink": f"{base}/storage/v1/b/{bucket.name}",
        "projectNumber": "1",
        "metageneration": str(bucket.metageneration),
        "etag": etag(bucket),
        "timeCreated": stamp(bucket.created),
        "updated": stamp(bucket.created),
        "location": "US",
        "locationType": "multi-region",
        "storageClass": "STANDARD",
        **bucket.fields,
    }


def etag(target: Version | Bucket | ManagedFolder) -> str:
    """Changes with every write of bytes or facts."""
    text = f"{getattr(target, 'generation', 0)}/{target.metageneration}"
    return base64.b64encode(text.encode()).decode()


def writable(given: Json, allowed: frozenset[str]) -> Json:
    """The fields that a client may write. Raises: ApiError 501 for fields that are not emulated."""
    refuse_unemulated(given)
    return {name: value for name, value in given.items() if name in allowed and value is not None}


def patched(fields: Json, change: Json, allowed: frozenset[str]) -> Json:
    """PATCH: null removes a field; ``metadata`` and ``labels`` are merged likewise. Raises: ApiError 501."""
    refuse_unemulated(change)
    result = dict(fields)
    for name, value in change.items():
        if name not in allowed:
            continue
        if name in ("metadata", "labels") and isinstance(value, dict):
            merged: dict[str, Any] = {**result.get(name, {}), **value}
            value = {key: each for key, each in merged.items() if each is not None} or None
        result.pop(name, None)
        if value is not None:
            result[name] = value
    return result


def refuse_unemulated(given: Json) -> None:
    """Refuses fields that are not emulated. Raises: ApiError 501, naming the first one."""
    for name, what in NOT_EMULATED.items():
        if given.get(name) and given[name] != {"enabled": False}:
            raise not_emulated(f"{what} ({name})")


def settle_custom_time(before: datetime | None, fields: Json) -> None:
    """Writes the custom time in ``fields`` as the service keeps it: in UTC, with milliseconds.

    Raises: ApiError 400 for one that is not by RFC 3339, is moved back, or is removed.
    """
    after = _custom_time(fields["customTime"]) if "customTime" in fields else None
    if before is not None and (after is None or after < before):
        raise ApiError(400, "Custom time cannot be removed or set to an earlier time.")
    if after is not None:
        fields["customTime"] = stamp(after, "milliseconds")


def _custom_time(given: object) -> datetime:
    """In UTC, to the millisecond. Raises: ApiError 400."""
    if not isinstance(given, str) or not _RFC3339.fullmatch(given):
        raise ApiError(400, f"Invalid value for customTime: {given!r:.60} is not a time by RFC 3339")
    try:
        time = datetime.fromisoformat(given.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ApiError(400, f"Invalid value for customTime: {given!r:.60}: {error}") from error
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
