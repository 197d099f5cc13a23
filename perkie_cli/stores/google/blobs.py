"""Blobs in a private Cloud Storage bucket.

The SHA-256 of the stored bytes is in the object's metadata, its last use in the custom time. Writes are create-only
by precondition, so that races have one winner: https://docs.cloud.google.com/storage/docs/request-preconditions
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.domain.pictures.cache_key import check_key, is_key
from perkie_cli.domain.storage.metadata import check_metadata
from perkie_cli.domain.storage.selection import EVERYTHING, Selection, StoredTotal, area_of
from perkie_cli.domain.units import format_size
from perkie_cli.ports import TOUCH_EVERY, Blob, BlobInfo, Clock, Stray
from perkie_cli.stores.google.storage_client import CALL_OPTIONS, GcsConnection
from perkie_cli.stores.google.times import senseless_times, time_of

if TYPE_CHECKING:
    from google.cloud.storage import Blob as GcsBlob
    from google.cloud.storage import Bucket

PAGE = 1000  # objects per request
ASKS = 10
LARGEST = 256 * 1024 * 1024  # bytes
HASH_FIELD = "sha256"
REMOVED_FIELD = "removed"
FIELDS = "items(name,size,contentType,metadata,generation,timeCreated,customTime),nextPageToken"


class GcsBlobs:
    """``ports.BlobStore`` over a bucket. Of more than ``largest`` bytes is no picture. The constructor does no I/O."""

    def __init__(self, connection: GcsConnection, clock: Clock, largest: int = LARGEST) -> None:
        self._largest = largest
        self._connection = connection
        self._clock = clock

    @property
    def name(self) -> str:
        """``gs://bucket``."""
        return f"gs://{self._connection.place.bucket}"

    async def put(
        self, key: str, data: bytes, *, content_type: str, metadata: Mapping[str, str], overwrite: bool = False
    ) -> bool:
        """Stores the object; a damaged one counts as absent and is replaced."""
        from google.api_core.exceptions import PreconditionFailed

        facts, now = check_metadata(metadata), self._clock.now()

        async def upload(generation: int | None) -> bool:
            def call(bucket: Bucket) -> bool:
                blob = bucket.blob(check_key(key))
                blob.metadata, blob.custom_time = {**facts, HASH_FIELD: hashlib.sha256(data).hexdigest()}, now
                blob.upload_from_string(data, content_type, if_generation_match=generation, **CALL_OPTIONS)
                return True

            try:
                return await self._connection.in_bucket(call)
            except PreconditionFailed:
                return False

        if await upload(None if overwrite else 0):
            return True
        if await self.get(key) is not None:
            return False
        damaged = await self.head(key)
        return await upload(damaged.generation if damaged else 0)

    async def get(self, key: str) -> Blob | None:
        """The object; None when it is absent or damaged."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        def call(bucket: Bucket) -> Blob | None:
            blob = bucket.get_blob(key, **CALL_OPTIONS)
            if blob is None:
                return None
            received = _Received(self._largest)
            blob.download_to_file(received, if_generation_match=blob.generation, raw_download=True, **CALL_OPTIONS)
            data = received.getvalue()
            info, digest = _info(blob, self._clock.now()), hashlib.sha256(data).hexdigest()
            return Blob(info, data) if info.sha256 in ("", digest) else None

        check_key(key)
        for _ in range(ASKS):  # retry if it was overwritten between the two requests
            try:
                return await self._connection.run(call)
            except (NotFound, PreconditionFailed):
                continue
        return None

    async def head(self, key: str) -> BlobInfo | None:
        """The object's facts, or None."""
        check_key(key)

        def call(bucket: Bucket) -> BlobInfo | None:
            blob = bucket.get_blob(key, **CALL_OPTIONS)
            return None if blob is None else _info(blob, self._clock.now())

        return await self._connection.run(call)

    async def copy(self, source: str, target: str) -> bool:
        """Copies within Cloud Storage; the bytes are not downloaded."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        now = self._clock.now()

        def call(bucket: Bucket) -> bool:
            origin = bucket.get_blob(source, **CALL_OPTIONS)
            if origin is None:
                return False
            blob = bucket.blob(target)
            facts = {name: value for name, value in (origin.metadata or {}).items() if name != REMOVED_FIELD}
            blob.metadata, blob.content_type, blob.custom_time = facts, origin.content_type, now
            token, _, _ = blob.rewrite(origin, if_generation_match=0, **CALL_OPTIONS)
            while token is not None:  # only objects of gigabytes take more than one call call
                token, _, _ = blob.rewrite(origin, token=token, if_generation_match=0, **CALL_OPTIONS)
            return True

        check_key(source)
        check_key(target)
        try:
            return await self._connection.run(call)
        except PreconditionFailed:
            return True
        except NotFound:
            return False

    async def touch(self, info: BlobInfo, when: datetime) -> None:
        """Moves the custom time forward. The service refuses to move it back, as the port requires."""
        from google.api_core.exceptions import BadRequest, NotFound, PreconditionFailed

        if when - info.touched < TOUCH_EVERY:
            return

        def call(bucket: Bucket) -> None:
            blob = bucket.blob(info.key)
            blob.custom_time = when
            try:
                blob.patch(if_generation_match=info.generation, **CALL_OPTIONS)
            except (BadRequest, NotFound, PreconditionFailed):
                return

        await self._connection.run(call)

    async def delete(self, key: str) -> bool:
        """Deletes the object; True when it existed.

        It is marked first: what versioning or soft delete keeps of it says that it was meant to go (``gone``).
        """
        from google.api_core.exceptions import NotFound

        def call(bucket: Bucket) -> None:
            marked = bucket.blob(check_key(key))
            marked.metadata = {REMOVED_FIELD: "yes"}
            marked.patch(**CALL_OPTIONS)
            bucket.blob(key).delete(**CALL_OPTIONS)

        try:
            await self._connection.run(call)
        except NotFound:
            return False
        return True

    async def list(self, selection: Selection = EVERYTHING) -> AsyncIterator[BlobInfo]:
        """Streams objects in key order. Objects whose names are not keys are not ours and are skipped."""

        token: str | None = None
        while True:
            found, token = await self._connection.in_bucket(
                functools.partial(_page, selection, token, self._clock.now())
            )
            for info in found:
                yield info
            if token is None:
                return

    async def totals(self, selection: Selection = EVERYTHING) -> Mapping[str, StoredTotal]:
        """Totals by area. A bucket has no index, so this lists all objects."""
        totals: dict[str, StoredTotal] = {}
        async for info in self.list(selection):
            area = area_of(info.key)
            totals[area] = totals.get(area, StoredTotal()) + StoredTotal(1, info.size, info.touched)
        return totals

    async def strays(self, prefix: str = "", *, repair: bool) -> AsyncIterator[Stray]:  # noqa: ARG002  the port's signature
        """Yields nothing: writes to a bucket are atomic."""
        none: tuple[Stray, ...] = ()
        for stray in none:
            yield stray

    async def renew_index(self) -> str | None:
        """None: a bucket lists its objects itself."""
        return None

    async def signed_url(self, key: str, lifetime: timedelta) -> str | None:
        """A V4 link for GET; None if our credentials cannot sign (a user's login, an emulator)."""
        check_key(key)
        return await self._connection.run(lambda bucket: self._sign(bucket, key, lifetime))

    async def ping(self) -> None:
        """Checks access to the bucket. Raises: StoreUnavailable, NotAuthorised, InvalidSetting if it does not exist."""
        await self._connection.in_bucket(
            lambda bucket: next(iter(bucket.list_blobs(max_results=1, **CALL_OPTIONS)), None)
        )

    async def aclose(self) -> None:
        """Closes connections."""
        await self._connection.aclose()

    def _sign(self, bucket: Bucket, key: str, lifetime: timedelta) -> str | None:
        from google.auth.credentials import Signing
        from google.auth.transport.requests import Request

        credentials = self._connection.credentials
        signer: dict[str, str] = {}
        if not isinstance(credentials, Signing):
            email = getattr(credentials, "service_account_email", None)
            if email is None:
                return None
            if not credentials.valid:  # Cloud Run has no private key: IAM's signBlob signs with this token
                credentials.refresh(Request())
            signer = {"service_account_email": credentials.service_account_email, "access_token": credentials.token}
        url: str = bucket.blob(key).generate_signed_url(
            version="v4", expiration=lifetime, method="GET", credentials=credentials, **signer
        )
        return url


class _Received(io.BytesIO):
    """The bytes of an object, as they are stored; not more of them than a picture has."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self._most:
            raise StoreUnavailable(f"an object of more than {format_size(self._most)} is no picture")
        return super().write(data)


def _info(blob: GcsBlob, now: datetime) -> BlobInfo:
    """The facts of an object; foreign objects have no custom time and no hash.

    Where no time makes sense the object counts as new: what cannot be read should not expire.
    """
    facts = dict(blob.metadata or {})
    digest = facts.pop(HASH_FIELD, "")
    facts.pop(REMOVED_FIELD, None)  # an erasure was interrupted there
    created = time_of(blob, "timeCreated") or now
    touched = time_of(blob, "customTime") or created
    content_type = blob.content_type or "application/octet-stream"
    fault = senseless_times(blob, "timeCreated", "customTime")
    size, generation = blob.size or 0, int(blob.generation)
    return BlobInfo(blob.name, size, content_type, digest, created, touched, generation, facts, fault)


def _page(selection: Selection, token: str | None, now: datetime, bucket: Bucket) -> tuple[list[BlobInfo], str | None]:
    listing = bucket.list_blobs(
        prefix=selection.prefix, page_token=token, page_size=PAGE, fields=FIELDS, **CALL_OPTIONS
    )
    infos = [_info(blob, now) for blob in next(listing.pages, ()) if is_key(blob.name)]
    return [i for i in infos if selection.matches(i.key, i.size, i.touched)], listing.next_page_token
