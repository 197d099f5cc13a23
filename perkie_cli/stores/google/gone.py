"""``ports.GoneObjects``: noncurrent versions and soft-deleted objects of a bucket.

https://docs.cloud.google.com/storage/docs/using-versioned-objects and
https://docs.cloud.google.com/storage/docs/use-soft-deleted-objects
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from perkie_cli.domain.pictures.cache_key import is_key
from perkie_cli.domain.storage.lifecycle import StoredFacts
from perkie_cli.ports import GoneObject
from perkie_cli.stores.google.blobs import PAGE, REMOVED_FIELD
from perkie_cli.stores.google.storage_client import CALL_OPTIONS, GcsConnection
from perkie_cli.stores.google.times import time_of

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

_TIMES = ("timeCreated", "customTime", "timeDeleted", "softDeleteTime", "hardDeleteTime")
FIELDS = f"items(name,size,generation,metadata,storageClass,{','.join(_TIMES)}),nextPageToken"


class GcsGone:
    """The gone objects of one bucket."""

    def __init__(self, connection: GcsConnection) -> None:
        self._connection = connection

    @property
    def name(self) -> str:
        """``gs://bucket``."""
        return f"gs://{self._connection.place.bucket}"

    async def list(self, prefix: str) -> Sequence[GoneObject]:
        """Two listings: Cloud Storage shows soft-deleted objects alone. In memory is what is gone, and live names."""
        live: set[str] = set()
        newest: dict[str, GoneObject] = {}
        for soft in (False, True):
            token: str | None = None
            while True:
                page, token = await self._connection.in_bucket(functools.partial(_page, prefix, soft, token))
                for blob in page:
                    gone = _gone(blob)
                    if gone is None:
                        live.add(blob.name)
                    elif blob.name not in newest or newest[blob.name].generation < gone.generation:
                        newest[blob.name] = gone
                if token is None:
                    break
        return [newest[name] for name in sorted(newest.keys() - live)]

    async def bring_back(self, gone: GoneObject, now: datetime) -> bool:
        """Copies a noncurrent version, restores a soft-deleted one; the custom time is set anew."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        try:
            await self._connection.run(functools.partial(_copy if gone.until is None else _restore, gone, now))
        except (NotFound, PreconditionFailed):
            return False
        return True


def _page(prefix: str, soft: bool, token: str | None, bucket: Bucket) -> tuple[list[Blob], str | None]:
    which = {"soft_deleted": True} if soft else {"versions": True}
    listing = bucket.list_blobs(prefix=prefix, page_token=token, page_size=PAGE, fields=FIELDS, **which, **CALL_OPTIONS)
    return [blob for blob in next(listing.pages, ()) if is_key(blob.name)], listing.next_page_token


def _gone(blob: Blob) -> GoneObject | None:
    """None: it is live."""
    created, touched, replaced, deleted, until = (time_of(blob, each) for each in _TIMES)
    since = deleted or replaced
    if since is None:
        return None
    facts = StoredFacts(blob.name, created, touched, blob.storage_class or "STANDARD")
    removed = REMOVED_FIELD in (blob.metadata or {})
    return GoneObject(facts, blob.size or 0, int(blob.generation), since, until, removed)


def _copy(gone: GoneObject, now: datetime, bucket: Bucket) -> None:
    key = gone.facts.key
    origin = bucket.blob(key, generation=gone.generation)
    origin.reload(**CALL_OPTIONS)
    blob = bucket.blob(key)
    blob.metadata, blob.content_type, blob.custom_time = origin.metadata, origin.content_type, now
    token, _, _ = blob.rewrite(origin, if_generation_match=0, **CALL_OPTIONS)
    while token is not None:
        token, _, _ = blob.rewrite(origin, token=token, if_generation_match=0, **CALL_OPTIONS)


def _restore(gone: GoneObject, now: datetime, bucket: Bucket) -> None:
    blob = bucket.restore_blob(gone.facts.key, generation=gone.generation, if_generation_match=0, **CALL_OPTIONS)
    touched = bucket.blob(gone.facts.key)
    touched.custom_time = now
    touched.patch(if_generation_match=blob.generation, **CALL_OPTIONS)
