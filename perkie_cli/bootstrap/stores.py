"""The stores: which one stands behind which port."""

from __future__ import annotations

import random
from functools import cached_property
from typing import TYPE_CHECKING

from perkie_cli.bootstrap.world import IO_THREADS, World
from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.system.threads import thread_workers

if TYPE_CHECKING:
    from perkie_cli.domain.secret import Secret
    from perkie_cli.ports import BlobStore, DocumentStore
    from perkie_cli.services.pictures.cache import PictureCache
    from perkie_cli.services.pictures.near_duplicates import NearDuplicates
    from perkie_cli.stores.google.firestore_connection import FirestoreConnection
    from perkie_cli.stores.google.storage_client import GcsConnection


class StoreParts(World):
    """Disk and SQLite, or Google Cloud, as the settings say."""

    def resolved(self, secret: Secret | None) -> Secret | None:
        """What a reference to Secret Manager stands for; any other secret as it is. Blocks while it asks.

        Raises: as ``stores.secret_manager.resolved``.
        """
        from perkie_cli.stores.google.secret_manager import resolved

        return None if secret is None else resolved(secret)

    @cached_property
    def bucket(self) -> GcsConnection:
        """The connection to the cache's bucket.

        Raises: InvalidSetting, when none is set or its name cannot be one.
        """
        from perkie_cli.domain.storage.protection import bucket_name
        from perkie_cli.stores.google.storage_client import GcsConnection, GcsPlace

        cache = self.settings.cache
        if cache.bucket is None:
            raise InvalidSetting("no bucket is set", hint="Set cache.bucket (PERKIE_CACHE_BUCKET) to a private bucket.")
        place = GcsPlace(bucket_name(cache.bucket), cache.endpoint)
        return GcsConnection(place, self.clock, thread_workers(IO_THREADS))

    @cached_property
    def blobs(self) -> BlobStore:
        """The cache's store, with threads of its own: a bucket that hangs holds up nothing else."""
        if self.settings.cache.store == "gcs":
            from perkie_cli.stores.google.blobs import GcsBlobs

            return GcsBlobs(self.bucket, self.clock)
        from perkie_cli.stores.disk.blobs import DiskBlobs

        return DiskBlobs(self.cache_dir, self.clock, thread_workers(IO_THREADS))

    @cached_property
    def documents(self) -> DocumentStore:
        """Quotas and idempotency records."""
        if self.settings.quota.store == "firestore":
            return self.firestore_documents
        from perkie_cli.stores.sqlite.documents import SqliteDocuments

        return SqliteDocuments(self.settings.quota.path or self.state_dir / "quotas.sqlite", self.clock)

    @cached_property
    def firestore(self) -> FirestoreConnection:
        """The database."""
        from perkie_cli.stores.google.firestore_connection import FirestoreConnection

        firestore = self.settings.firestore
        return FirestoreConnection(firestore.project, firestore.database, firestore.patience, self.environ)

    @cached_property
    def firestore_documents(self) -> DocumentStore:
        """What quotas, idempotency records and the ledger share, where they are kept in Firestore."""
        from perkie_cli.stores.google.documents import FirestoreDocuments

        rng = random.Random()  # noqa: S311 -- jitter, no secret
        return FirestoreDocuments(self.firestore, self.settings.firestore.prefix, self.clock, rng)

    @cached_property
    def pictures(self) -> PictureCache:
        """Finished pictures in the store."""
        from perkie_cli.services.pictures.cache import PictureCache

        return PictureCache(self.blobs, self.clock, self.events, self.near_duplicates)

    @cached_property
    def near_duplicates(self) -> NearDuplicates | None:
        """The look-up of nearly the same photos, where it is switched on."""
        if not self.settings.cache.near:
            return None
        from perkie_cli.services.pictures.near_duplicates import NearDuplicates

        return NearDuplicates(self.blobs, self.workers, self.events, self.limits, self.settings.cache.near_bits)
