"""``ports.Buckets`` over Cloud Storage: photos and outputs in buckets of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from perkie_cli.ports import RemoteObject
from perkie_cli.stores.google.storage_client import CALL_OPTIONS, GcsConnection
from perkie_cli.stores.google.times import time_of

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

PAGE = 1000
NO_METADATA: Mapping[str, str] = {}  # one for all: there may be 100,000 objects
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIELDS = "items(name,size,contentType,generation,updated,metadata),nextPageToken"


class GcsBuckets:
    """Connects to each bucket when it is first read."""

    def __init__(self, connect: Callable[[str], GcsConnection]) -> None:
        self._connect = connect
        self._connections: dict[str, GcsConnection] = {}

    async def list(self, bucket: str, prefix: str) -> Sequence[RemoteObject]:
        """Lists with one request a page, each with its own time limit: there may be a million objects."""

        def call(place: Bucket, token: str | None) -> tuple[list[RemoteObject], str | None]:
            listed = place.list_blobs(
                prefix=prefix or None, page_size=PAGE, page_token=token, fields=FIELDS, **CALL_OPTIONS
            )
            page = next(listed.pages, ())
            return [_found(bucket, blob) for blob in page], listed.next_page_token

        found, token = await self._of(bucket).in_bucket(partial(call, token=None))
        while token is not None:
            more, token = await self._of(bucket).in_bucket(partial(call, token=token))
            found += more
        return found

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

    async def find(self, bucket: str, name: str) -> RemoteObject | None:
        """Asks for the object's facts."""

        def call(place: Bucket) -> RemoteObject | None:
            blob = place.get_blob(name, **CALL_OPTIONS)
            return None if blob is None else _found(bucket, blob)

        return await self._of(bucket).run(call)

    async def write(
        self, bucket: str, name: str, data: bytes, *, content_type: str, metadata: Mapping[str, str], generation: int
    ) -> RemoteObject | None:
        """Uploads in one request, under a precondition."""
        from google.api_core.exceptions import PreconditionFailed

        def call(place: Bucket) -> RemoteObject:
            blob = place.blob(name)
            blob.metadata = dict(metadata)
            blob.upload_from_string(data, content_type, if_generation_match=generation, **CALL_OPTIONS)
            return _found(bucket, blob)

        try:
            return await self._of(bucket).in_bucket(call)
        except PreconditionFailed:
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
    facts = (blob.size or 0, kind, blob.generation or 0, time_of(blob, "updated") or _EPOCH)
    return RemoteObject(bucket, blob.name, *facts, blob.metadata or NO_METADATA)
