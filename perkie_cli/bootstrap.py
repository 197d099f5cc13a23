"""The one composition root: which implementation stands behind which port.

Every part is made at first use, so that a command pays only for what it touches; a test replaces any part by setting
it: ``build_services(settings, clock=ManualClock())``.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from perkie_cli.bootstrap_matting import MattingParts
from perkie_cli.bootstrap_storefront import StorefrontParts
from perkie_cli.clock import SystemClock
from perkie_cli.config.load import user_cache_dir, user_config_dir, user_state_dir
from perkie_cli.config.schema import Settings
from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.telemetry.events import NoEvents
from perkie_cli.workers import thread_workers

if TYPE_CHECKING:
    from perkie_cli.domain.model import ModelBook
    from perkie_cli.domain.protection import Protection
    from perkie_cli.domain.quota import QuotaLimits
    from perkie_cli.domain.style import StyleBook
    from perkie_cli.engines.local.engine import LocalStyleEngine
    from perkie_cli.ops.lifecycle import Lifecycle
    from perkie_cli.ports import BlobStore, Clock, DocumentStore, EventSink, SpendLedger, StyleEngine, Workers
    from perkie_cli.resilience.admission import Admission
    from perkie_cli.resilience.guarded import GuardedStyleEngine
    from perkie_cli.services.cache_keeping import CacheKeeping
    from perkie_cli.services.generate import Generate
    from perkie_cli.services.idempotency import IdempotencyRecords
    from perkie_cli.services.ladder import Ladder
    from perkie_cli.services.near_duplicates import NearDuplicates
    from perkie_cli.services.picture_cache import PictureCache
    from perkie_cli.services.quota_admin import QuotaAdmin
    from perkie_cli.services.quotas import Quotas
    from perkie_cli.stores.firestore_connection import FirestoreConnection
    from perkie_cli.stores.gcs_client import GcsConnection

IO_THREADS = 8
T = TypeVar("T")


class LazyMapping(Mapping[str, T]):
    """Names to parts that are built when they are asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], T]]) -> None:
        self._makers = makers

    def __getitem__(self, name: str) -> T:
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class Services(MattingParts, StorefrontParts):
    """All parts of a running perkie. Attributes are built on first access and kept."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.environ = environ

    # ---------------------------------------------------------------- places

    @cached_property
    def cache_dir(self) -> Path:
        """The disk store's folder."""
        return self.settings.cache.dir or user_cache_dir(self.environ)

    @cached_property
    def styles_dir(self) -> Path:
        """The folder of own style files."""
        return self.settings.general.styles_dir or user_config_dir(self.environ) / "styles"

    @cached_property
    def state_dir(self) -> Path:
        """Quotas, ledgers and records of made outputs."""
        return user_state_dir(self.environ)

    # ---------------------------------------------------------------- world

    @cached_property
    def clock(self) -> Clock:
        """Time."""
        return SystemClock()

    @cached_property
    def events(self) -> EventSink:
        """Where events go."""
        from perkie_cli.telemetry.audit import AuditLog

        return AuditLog(self.state_dir / "audit.jsonl", self.clock, NoEvents())

    @cached_property
    def workers(self) -> Workers:
        """Threads for decoding and encoding."""
        return thread_workers(self.settings.general.workers)

    @cached_property
    def drawing(self) -> Workers:
        """Where the local engine draws; a batch puts processes here."""
        return self.workers

    @cached_property
    def io(self) -> Workers:
        """Threads that wait for disks and synchronous clients."""
        return thread_workers(IO_THREADS)

    @cached_property
    def bucket(self) -> GcsConnection:
        """The connection to the cache's bucket.

        Raises: InvalidSetting, when none is set.
        """
        from perkie_cli.stores.gcs_client import GcsConnection, GcsPlace

        cache = self.settings.cache
        if cache.bucket is None:
            raise InvalidSetting("no bucket is set", hint="Set cache.bucket (PERKIE_CACHE_BUCKET) to a private bucket.")
        return GcsConnection(GcsPlace(cache.bucket, cache.endpoint), self.clock, thread_workers(IO_THREADS))

    @cached_property
    def blobs(self) -> BlobStore:
        """The cache's store, with threads of its own: a bucket that hangs holds up nothing else."""
        if self.settings.cache.store == "gcs":
            from perkie_cli.stores.blobs_gcs import GcsBlobs

            return GcsBlobs(self.bucket, self.clock)
        from perkie_cli.stores.blobs_disk import DiskBlobs

        return DiskBlobs(self.cache_dir, self.clock, thread_workers(IO_THREADS))

    @cached_property
    def documents(self) -> DocumentStore:
        """Quotas and idempotency records."""
        if self.settings.quota.store == "firestore":
            return self.firestore_documents
        from perkie_cli.stores.documents_sqlite import SqliteDocuments

        return SqliteDocuments(self.settings.quota.path or self.state_dir / "quotas.sqlite", self.clock)

    @cached_property
    def firestore(self) -> FirestoreConnection:
        """The database."""
        from perkie_cli.stores.firestore_connection import FirestoreConnection

        firestore = self.settings.firestore
        return FirestoreConnection(firestore.project, firestore.database, firestore.patience, self.environ)

    @cached_property
    def firestore_documents(self) -> DocumentStore:
        """What quotas, idempotency records and the ledger share, where they are kept in Firestore."""
        from perkie_cli.stores.documents_firestore import FirestoreDocuments

        rng = random.Random()  # noqa: S311 -- jitter, no secret
        return FirestoreDocuments(self.firestore, self.settings.firestore.prefix, self.clock, rng)

    # ---------------------------------------------------------------- parts

    @cached_property
    def quota_limits(self) -> QuotaLimits:
        """Pictures a day and tier."""
        from perkie_cli.domain.quota import QuotaLimits

        quota = self.settings.quota
        return QuotaLimits(quota.customer, quota.session, quota.ip, quota.ip_ceiling)

    @cached_property
    def quotas(self) -> Quotas:
        """Reservations."""
        from perkie_cli.services.quotas import QuotaRules, Quotas
        from perkie_cli.stores.documents_memory import MemoryDocuments

        quota = self.settings.quota
        rules = QuotaRules(quota.when_down, quota.lease_margin.total_seconds(), count_local=quota.count_local)
        return Quotas(self.documents, MemoryDocuments(), rules, self.clock, self.events)

    @cached_property
    def idempotency(self) -> IdempotencyRecords:
        """One key, one piece of work, over all processes."""
        from perkie_cli.services.idempotency import IdempotencyRecords

        return IdempotencyRecords(self.documents, self.clock, self.events)

    @cached_property
    def quota_admin(self) -> QuotaAdmin:
        """What on-call does to quotas."""
        from perkie_cli.services.quota_admin import QuotaAdmin
        from perkie_cli.telemetry.audit import current_actor

        return QuotaAdmin(self.documents, self.quota_limits, self.clock, self.events, current_actor())

    @cached_property
    def limits(self) -> ImageLimits:
        """What inputs may be."""
        image = self.settings.image
        return ImageLimits(image.max_bytes, image.min_side, image.max_side, image.max_pixels)

    @cached_property
    def styles(self) -> StyleBook:
        """Shipped and own styles."""
        from perkie_cli.config.styles import load_styles

        return load_styles(self.styles_dir)

    @cached_property
    def engines(self) -> Mapping[str, StyleEngine]:
        """Style engines by name, and ``auto``: Gemini where it is configured."""
        gemini = self.settings.gemini
        auto = "gemini" if gemini.vertexai or gemini.api_key is not None else "local"
        return LazyMapping(
            {name: partial(getattr, self, name) for name in ("local", "gemini")}
            | {"auto": partial(getattr, self, auto)}
        )

    @cached_property
    def local(self) -> LocalStyleEngine:
        """The built-in engine."""
        from perkie_cli.engines.local.engine import LocalStyleEngine

        return LocalStyleEngine(self.drawing)

    @cached_property
    def models(self) -> ModelBook:
        """Image models and their prices."""
        from perkie_cli.config.models import load_models

        return load_models(self.settings.gemini.models_file or user_config_dir(self.environ) / "models.toml")

    @cached_property
    def ledger(self) -> SpendLedger:
        """What upstream calls take."""
        if self.settings.gemini.ledger == "firestore":
            from perkie_cli.stores.ledger_documents import DocumentLedger

            rng = random.Random()  # noqa: S311 -- spreads load, no secret
            return DocumentLedger(self.firestore_documents, self.clock, rng)
        from perkie_cli.stores.ledger_sqlite import SqliteLedger

        return SqliteLedger(self.state_dir / "spend.sqlite", self.clock, self.io)

    @cached_property
    def gemini(self) -> GuardedStyleEngine:
        """The Gemini engine inside its guard."""
        from perkie_cli.bootstrap_gemini import guarded_gemini

        return guarded_gemini(
            self.settings,
            models=self.models,
            ledger=self.ledger,
            workers=self.workers,
            clock=self.clock,
            events=self.events,
        )

    @cached_property
    def pictures(self) -> PictureCache:
        """Finished pictures in the store."""
        from perkie_cli.services.picture_cache import PictureCache

        return PictureCache(self.blobs, self.clock, self.events)

    @cached_property
    def admission(self) -> Admission:
        """Bounds the memory of pictures in work. Here the rest waits as long as it takes; a server refuses it."""
        from perkie_cli.resilience.admission import Admission

        return Admission(self.settings.image.pixels_in_work, math.inf, "drawing")

    @cached_property
    def near_duplicates(self) -> NearDuplicates | None:
        """The look-up of nearly the same photos, where it is switched on."""
        if not self.settings.cache.near:
            return None
        from perkie_cli.services.near_duplicates import NearDuplicates

        return NearDuplicates(self.blobs, self.workers, self.events, self.limits, self.settings.cache.near_bits)

    # ---------------------------------------------------------------- use cases

    @cached_property
    def generate(self) -> Generate:
        """One picture in one style."""
        from perkie_cli.services.generate import Generate

        return Generate(
            styles=self.styles,
            engines=self.engines,
            cache=self.pictures,
            workers=self.workers,
            clock=self.clock,
            limits=self.limits,
            quotas=self.quotas,
            ladder=self.ladder,
            admission=self.admission,
            cutouts=self.cutout_source,
            near=self.near_duplicates,
        )

    @cached_property
    def ladder(self) -> Ladder:
        """What stands in for pictures that cannot be drawn."""
        from perkie_cli.services.ladder import Ladder

        return Ladder(self.pictures, self.local, self.workers, self.events)

    @cached_property
    def lifetimes(self) -> Mapping[str, timedelta]:
        """How long what lies unused is kept, by area."""
        cache = self.settings.cache
        return {
            "cutouts": cache.cutout_lifetime,
            "generated/customers": cache.customer_lifetime,
            "generated/temp": cache.temp_lifetime,
            "originals/customers": cache.customer_lifetime,
            "originals/temp": cache.temp_lifetime,
            "shared": cache.shared_lifetime,
        }

    @cached_property
    def cache_keeping(self) -> CacheKeeping:
        """Statistics, purge, verify."""
        from perkie_cli.domain.lifecycle import rules_for
        from perkie_cli.services.cache_keeping import CacheKeeping

        return CacheKeeping(self.blobs, self.clock, self.events, rules_for(self.lifetimes), self.protection)

    @cached_property
    def protection(self) -> Protection:
        """Buckets that are not changed by accident, and who changes them all the same."""
        from perkie_cli.domain.protection import Protection
        from perkie_cli.telemetry.audit import current_actor

        return Protection(self.settings.cache.protected_buckets, current_actor())

    @cached_property
    def lifecycle(self) -> Lifecycle:
        """The rules of the cache's bucket."""
        from perkie_cli.ops.lifecycle import Lifecycle
        from perkie_cli.stores.lifecycle_gcs import GcsRules

        return Lifecycle(GcsRules(self.bucket), self.clock, self.events, self.protection)

    async def aclose(self) -> None:
        """Closes what was built, users before what they use."""
        built = vars(self)
        if "gemini" in built:
            await self.gemini.aclose()
        if "ledger" in built:
            await self.ledger.aclose()
        if "quotas" in built:
            await self.quotas.aclose()
        if "documents" in built:
            await self.documents.aclose()
        if "firestore" in built:
            await self.firestore.aclose()
        if "blobs" in built:
            await self.blobs.aclose()
        if "bucket" in built:
            await self.bucket.aclose()
        for pool in ("drawing", "workers", "io"):
            if pool in built:
                built[pool].close()


def build_services(settings: Settings, environ: Mapping[str, str] = os.environ, **parts: Any) -> Services:
    """Services over ``settings``; ``parts`` replace attributes by name.

    Raises: TypeError for a name that is no part.
    """
    services = Services(settings, environ)
    for name, part in parts.items():
        if not isinstance(getattr(Services, name, None), cached_property):
            raise TypeError(f"{name!r} is no part of Services")
        setattr(services, name, part)
    return services
