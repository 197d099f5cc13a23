"""``ports.BucketRules`` over google-cloud-storage."""

from __future__ import annotations

import functools
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from perkie_cli.domain.iam import Members, members_of
from perkie_cli.domain.storage.lifecycle import StoredFacts
from perkie_cli.ports import BucketState
from perkie_cli.stores.google.storage_client import CALL_OPTIONS, GcsConnection
from perkie_cli.stores.google.times import time_of

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

PAGE = 1000
FIELDS = "items(name,size,generation,timeCreated,customTime,timeDeleted,storageClass),nextPageToken"


class GcsRules:
    """The rules of one bucket."""

    def __init__(self, connection: GcsConnection) -> None:
        self._connection = connection

    @property
    def name(self) -> str:
        """``gs://bucket``."""
        return f"gs://{self._connection.place.bucket}"

    async def read(self) -> BucketState:
        """The bucket's current settings."""
        return await self._connection.in_bucket(_read)

    async def readers(self) -> Members:
        """The members of the bucket's IAM policy with their roles."""
        return await self._connection.in_bucket(_readers)

    async def write(self, rules: Sequence[Mapping[str, Any]], metageneration: int) -> bool:
        """Replaces all rules; False when the bucket was changed since ``metageneration``."""
        from google.api_core.exceptions import PreconditionFailed

        def call(bucket: Bucket) -> None:
            bucket.lifecycle_rules = list(rules)
            bucket.patch(if_metageneration_match=metageneration, **CALL_OPTIONS)

        try:
            await self._connection.in_bucket(call)
        except PreconditionFailed:
            return False
        return True

    async def versions(self) -> AsyncIterator[tuple[StoredFacts, int]]:
        """Streams every version, ordered by name, so that newer versions are counted within one name."""
        held: list[Blob] = []
        token: str | None = None
        while True:
            page, token = await self._connection.in_bucket(functools.partial(_page, token))
            held += page
            whole = len(held) if token is None else _before_last_name(held)
            for facts in _facts(held[:whole]):
                yield facts
            del held[:whole]
            if token is None:
                return


def _read(bucket: Bucket) -> BucketState:
    bucket.reload(**CALL_OPTIONS)
    retention = bucket.soft_delete_policy.retention_duration_seconds or 0
    rules = [dict(rule) for rule in bucket.lifecycle_rules]
    never_public = bucket.iam_configuration.public_access_prevention == "enforced"
    lasting = timedelta(seconds=int(retention))
    return BucketState(rules, bucket.versioning_enabled, lasting, bucket.metageneration, never_public)


def _readers(bucket: Bucket) -> Members:
    return members_of(bucket.get_iam_policy(requested_policy_version=3, **CALL_OPTIONS).bindings)


def _page(token: str | None, bucket: Bucket) -> tuple[list[Blob], str | None]:
    listing = bucket.list_blobs(versions=True, page_token=token, page_size=PAGE, fields=FIELDS, **CALL_OPTIONS)
    return list(next(listing.pages, ())), listing.next_page_token


def _before_last_name(blobs: Sequence[Blob]) -> int:
    """The index of the first version with the last name: the next page may have more of its versions."""
    last = blobs[-1].name if blobs else ""
    return sum(1 for _ in itertools.takewhile(lambda blob: blob.name != last, blobs))


def _facts(blobs: Iterable[Blob]) -> Iterable[tuple[StoredFacts, int]]:
    for name, group in itertools.groupby(blobs, key=lambda blob: blob.name):
        versions = sorted(group, key=lambda blob: int(blob.generation), reverse=True)
        for newer, blob in enumerate(versions):
            created, touched, deleted = (time_of(blob, each) for each in ("timeCreated", "customTime", "timeDeleted"))
            yield StoredFacts(name, created, touched, blob.storage_class or "STANDARD", deleted, newer), blob.size or 0
