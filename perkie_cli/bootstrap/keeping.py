"""Maintenance of the stored pictures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from perkie_cli.domain.storage.lifecycle import rules_for
from perkie_cli.domain.storage.protection import Protection, bucket_name
from perkie_cli.services.storage.keeping import CacheKeeping
from perkie_cli.services.storage.restoring import Restoring
from perkie_cli.stores.google.gone import GcsGone
from perkie_cli.telemetry.audit import current_actor

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def lifetimes(its: Services) -> Mapping[str, timedelta]:
    """How long unused pictures are kept, by area."""
    cache = its.settings.cache
    return {
        "cutouts": cache.cutout_lifetime,
        "generated/customers": cache.customer_lifetime,
        "generated/temp": cache.temp_lifetime,
        "originals/customers": cache.customer_lifetime,
        "originals/temp": cache.temp_lifetime,
        "shared": cache.shared_lifetime,
    }


def cache_keeping(its: Services) -> CacheKeeping:
    """Statistics, purge, verify."""
    return CacheKeeping(its.blobs, its.clock, its.events, rules_for(its.lifetimes), its.protection)


def restoring(its: Services) -> Restoring:
    """Brings back what is gone from the bucket. Raises: InvalidSetting where none is set."""
    gone, rules = GcsGone(its.bucket), rules_for(its.lifetimes)
    return Restoring(gone, its.clock, its.events, rules, its.protection.actor, its.audit.records)


def protection(its: Services) -> Protection:
    """The protected buckets."""
    return Protection([bucket_name(each) for each in its.settings.cache.protected_buckets], current_actor())
