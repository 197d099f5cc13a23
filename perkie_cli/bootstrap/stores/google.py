"""Cloud Storage, and secrets. Google's clients are imported when they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from perkie_cli.bootstrap.world import IO_THREADS
from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.secret import Secret
from perkie_cli.domain.storage.protection import bucket_name
from perkie_cli.ops.lifecycle.lifecycle import Lifecycle
from perkie_cli.ports import BlobStore, Buckets
from perkie_cli.ports.iam import Access
from perkie_cli.stores import secrets
from perkie_cli.stores.google.blobs import GcsBlobs
from perkie_cli.stores.google.buckets import GcsBuckets
from perkie_cli.stores.google.iam import GoogleAccess
from perkie_cli.stores.google.lifecycle import GcsRules
from perkie_cli.stores.google.storage_client import GcsConnection, GcsPlace
from perkie_cli.system.threads import thread_workers

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services

READ_LIMIT = 120.0  # seconds to list a bucket, or to download a photo


def bucket(its: Services) -> GcsConnection:
    """The connection to the cache's bucket.

    Raises: InvalidSetting when none is set or its name is not valid.
    """
    cache = its.settings.cache
    if cache.bucket is None:
        raise InvalidSetting("no bucket is set", hint="Set cache.bucket (PERKIE_CACHE_BUCKET) to a private bucket.")
    place = GcsPlace(bucket_name(cache.bucket), cache.endpoint)
    return GcsConnection(place, its.clock, thread_workers(IO_THREADS))


def gcs_blobs(its: Services) -> BlobStore:
    """The store of pictures in the bucket."""
    return GcsBlobs(its.bucket, its.clock)


def buckets(its: Services) -> Buckets:
    """Any bucket, to read photos from. A photo may take longer than a picture of the cache."""
    endpoint = its.settings.cache.endpoint
    return GcsBuckets(
        lambda name: GcsConnection(
            GcsPlace(bucket_name(name), endpoint), its.clock, thread_workers(IO_THREADS), time_limit=READ_LIMIT
        )
    )


def lifecycle(its: Services) -> Lifecycle:
    """The lifetime rules of the bucket."""
    return Lifecycle(GcsRules(its.bucket), its.clock, its.events, its.protection)


def access(its: Services) -> Access:
    """What Google Cloud lets our credentials do."""
    return GoogleAccess(its.io, its.environ, its.settings.cache.endpoint)


def resolved(its: Services) -> Callable[[Secret | None], Secret | None]:
    """A function that resolves references to secrets and returns other secrets unchanged. It blocks.

    It raises the same errors as ``stores.secrets.resolved``.
    """
    del its
    return lambda secret: None if secret is None else secrets.resolved(secret)
