"""Managed folders: prefixes with IAM policies of their own. ``gcloud storage rm -r`` asks for them.

https://docs.cloud.google.com/storage/docs/json_api/v1/managedFolder
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from perkie_cli.emulators.storage.errors import ApiError
from perkie_cli.emulators.storage.listing import page_of
from perkie_cli.emulators.storage.records import Bucket, Json, ManagedFolder
from perkie_cli.emulators.storage.resources import stamp


def create(bucket: Bucket, given: Json, now: datetime) -> ManagedFolder:
    """Creates a managed folder. Raises: ApiError 400, 409."""
    uniform = bucket.fields.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {}).get("enabled")
    if not uniform:
        raise ApiError(400, "Managed folders need a bucket with uniform bucket-level access.")
    name = _full(given["name"])
    if name in bucket.folders:
        raise ApiError(409, "The managed folder already exists.")
    folder = bucket.folders[name] = ManagedFolder(name, now)
    return folder


def find(bucket: Bucket, name: str) -> ManagedFolder:
    """The managed folder of that name. Raises: ApiError 404."""
    folder = bucket.folders.get(_full(name))
    if folder is None:
        raise ApiError(404, "The specified managed folder does not exist.")
    return folder


def delete(bucket: Bucket, name: str, query: Mapping[str, str]) -> None:
    """Deletes a managed folder. Raises: ApiError 404, 409 when it is not empty."""
    folder = find(bucket, name)
    inside = any(other.startswith(folder.name) and bucket.live(other) is not None for other in bucket.versions)
    inside = inside or any(other.startswith(folder.name) and other != folder.name for other in bucket.folders)
    if inside and query.get("allowNonEmpty", "").lower() != "true":
        raise ApiError(409, "The managed folder you tried to delete is not empty.")
    del bucket.folders[folder.name]


def listing(bucket: Bucket, query: Mapping[str, str], base: str) -> Json:
    """A page by name."""
    names = sorted(name for name in bucket.folders if name.startswith(query.get("prefix", "")))
    page, token = page_of(names, query.get("pageSize"), query.get("pageToken"))
    body: Json = {"kind": "storage#managedFolders", "items": [resource(bucket, bucket.folders[n], base) for n in page]}
    return {**body, "nextPageToken": token} if token else body


def resource(bucket: Bucket, folder: ManagedFolder, base: str) -> Json:
    """The folder as a resource of the API."""
    return {
        "kind": "storage#managedFolder",
        "id": f"{bucket.name}/{folder.name}",
        "selfLink": f"{base}/storage/v1/b/{bucket.name}/managedFolders/{folder.name}",
        "name": folder.name,
        "bucket": bucket.name,
        "createTime": stamp(folder.created),
        "updateTime": stamp(folder.created),
        "metageneration": str(folder.metageneration),
    }


def _full(name: str) -> str:
    return name.rstrip("/") + "/"
