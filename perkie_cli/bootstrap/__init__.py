"""The one composition root: which implementation stands behind which port.

Every part is made at first use, so that a command pays only for what it touches; a test replaces any part by setting
it: ``build_services(settings, clock=ManualClock())``.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from perkie_cli.bootstrap.storefront import StorefrontParts
from perkie_cli.config.load import user_config_dir
from perkie_cli.config.schema import Settings

if TYPE_CHECKING:
    from perkie_cli.domain.money.price_list import ModelBook
    from perkie_cli.domain.pictures.style import StyleBook
    from perkie_cli.domain.quotas.limits import QuotaLimits
    from perkie_cli.domain.storage.protection import Protection
    from perkie_cli.engines.local.engine import LocalStyleEngine
    from perkie_cli.ops.lifecycle.lifecycle import Lifecycle
    from perkie_cli.ports import SpendLedger, StyleEngine
    from perkie_cli.resilience.admission import Admission
    from perkie_cli.resilience.guarded import GuardedStyleEngine
    from perkie_cli.services.pictures.generate import Generate
    from perkie_cli.services.pictures.ladder import Ladder
    from perkie_cli.services.quotas.admin import QuotaAdmin
    from perkie_cli.services.quotas.quotas import Quotas
    from perkie_cli.services.shop.idempotency import IdempotencyRecords
    from perkie_cli.services.storage.keeping import CacheKeeping

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


class Services(StorefrontParts):
    """All parts of a running perkie. Attributes are built on first access and kept."""

    @cached_property
    def quota_limits(self) -> QuotaLimits:
        """Pictures a day and tier."""
        from perkie_cli.domain.quotas.limits import QuotaLimits

        quota = self.settings.quota
        return QuotaLimits(quota.customer, quota.session, quota.ip, quota.ip_ceiling)

    @cached_property
    def quotas(self) -> Quotas:
        """Reservations."""
        from perkie_cli.services.quotas.quotas import QuotaRules, Quotas
        from perkie_cli.stores.memory import MemoryDocuments

        quota = self.settings.quota
        rules = QuotaRules(quota.when_down, quota.lease_margin.total_seconds(), count_local=quota.count_local)
        return Quotas(self.documents, MemoryDocuments(), rules, self.clock, self.events)

    @cached_property
    def idempotency(self) -> IdempotencyRecords:
        """One key, one piece of work, over all processes."""
        from perkie_cli.services.shop.idempotency import IdempotencyRecords

        return IdempotencyRecords(self.documents, self.clock, self.events)

    @cached_property
    def quota_admin(self) -> QuotaAdmin:
        """What on-call does to quotas."""
        from perkie_cli.services.quotas.admin import QuotaAdmin
        from perkie_cli.telemetry.audit import current_actor

        return QuotaAdmin(self.documents, self.quota_limits, self.clock, self.events, current_actor())

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

        named = self.settings.gemini.models_file
        return load_models(named or user_config_dir(self.environ) / "models.toml", required=named is not None)

    @cached_property
    def ledger(self) -> SpendLedger:
        """What upstream calls take."""
        if self.settings.gemini.ledger == "firestore":
            from perkie_cli.stores.ledger_documents import DocumentLedger

            rng = random.Random()  # noqa: S311 -- spreads load, no secret
            return DocumentLedger(self.firestore_documents, self.clock, rng)
        from perkie_cli.stores.sqlite.ledger import SqliteLedger

        return SqliteLedger(self.state_dir / "spend.sqlite", self.clock, self.io)

    @cached_property
    def gemini(self) -> GuardedStyleEngine:
        """The Gemini engine inside its guard."""
        from perkie_cli.bootstrap.gemini import guarded_gemini

        return guarded_gemini(
            self.settings,
            models=self.models,
            ledger=self.ledger,
            workers=self.workers,
            io=self.io,
            clock=self.clock,
            events=self.events,
        )

    @cached_property
    def admission(self) -> Admission:
        """Bounds the memory of pictures in work. Here the rest waits as long as it takes; a server refuses it."""
        from perkie_cli.resilience.admission import Admission

        return Admission(self.settings.image.pixels_in_work, math.inf, "drawing")

    # ---------------------------------------------------------------- use cases

    @cached_property
    def generate(self) -> Generate:
        """One picture in one style."""
        from perkie_cli.services.pictures.generate import Configured, Generate

        style = self.settings.style
        return Generate(
            styles=self.styles,
            engines=self.engines,
            configured=Configured(style.engine, style.size),
            cache=self.pictures,
            workers=self.workers,
            clock=self.clock,
            limits=self.limits,
            quotas=self.quotas,
            ladder=self.ladder,
            admission=self.admission,
            cutouts=self.cutout_source,
        )

    @cached_property
    def ladder(self) -> Ladder:
        """What stands in for pictures that cannot be drawn."""
        from perkie_cli.services.pictures.ladder import Ladder

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
        from perkie_cli.domain.storage.lifecycle import rules_for
        from perkie_cli.services.storage.keeping import CacheKeeping

        return CacheKeeping(self.blobs, self.clock, self.events, rules_for(self.lifetimes), self.protection)

    @cached_property
    def protection(self) -> Protection:
        """Buckets that are not changed by accident, and who changes them all the same."""
        from perkie_cli.domain.storage.protection import Protection, bucket_name
        from perkie_cli.telemetry.audit import current_actor

        return Protection([bucket_name(each) for each in self.settings.cache.protected_buckets], current_actor())

    @cached_property
    def lifecycle(self) -> Lifecycle:
        """The rules of the cache's bucket."""
        from perkie_cli.ops.lifecycle.lifecycle import Lifecycle
        from perkie_cli.stores.google.lifecycle import GcsRules

        return Lifecycle(GcsRules(self.bucket), self.clock, self.events, self.protection)

    async def aclose(self) -> None:
        """Closes what was built, users before what they use; each of them, also after one that fails to."""
        built = vars(self)
        async with AsyncExitStack() as closing:  # the last one that is pushed is the first one closed
            for pool in ("io", "workers", "drawing"):
                if pool in built:
                    closing.callback(built[pool].close)
            stores = ("bucket", "blobs", "firestore", "documents", "quotas", "ledger")
            for part in (*stores, "gemini", "remote_matting", "inspyrenet"):
                if part in built:
                    closing.push_async_callback(built[part].aclose)


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
