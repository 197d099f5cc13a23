"""``ports.Buckets`` over Cloud Storage: photos that lie in buckets of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from perkie_cli.ports import RemoteObject
from perkie_cli.stores.google.storage_client import CALL_OPTIONS, GcsConnection

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

PAGE = 1000
FIELDS = "items(name,size,contentType,generation,updated),nextPageToken"


class GcsBuckets:
    """Connects to each bucket when it is first read."""

    def __init__(self, connect: Callable[[str], GcsConnection]) -> None:
        self._connect = connect
        self._connections: dict[str, GcsConnection] = {}

    async def list(self, bucket: str, prefix: str) -> Sequence[RemoteObject]:
        """Lists with one request a page."""

        def call(place: Bucket) -> Sequence[RemoteObject]:
            listed = place.list_blobs(prefix=prefix or None, page_size=PAGE, fields=FIELDS, **CALL_OPTIONS)
            return [_found(bucket, blob) for blob in listed]

        return await self._of(bucket).in_bucket(call)

    async def read(self, found: RemoteObject) -> bytes | None:
        """Downloads that generation."""
        from google.api_core.exceptions import NotFound

        def call(place: Bucket) -> bytes:
            data: bytes = place.blob(found.name, generation=found.generation).download_as_bytes(**CALL_OPTIONS)
            return data

        try:
            return await self._of(found.bucket).run(call)
        except NotFound:
            return None

    async def aclose(self) -> None:
        """Closes every connection."""
        for connection in self._connections.values():
            await connection.aclose()

    def _of(self, bucket: str) -> GcsConnection:
        if bucket not in self._connections:
            self._connections[bucket] = self._connect(bucket)
        return self._connections[bucket]


def _found(bucket: str, blob: Blob) -> RemoteObject:
    kind = blob.content_type or ""
    return RemoteObject(bucket, blob.name, blob.size or 0, kind, blob.generation or 0, blob.updated)
