"""The cache of finished pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.services.pictures.cache import PictureCache
from perkie_cli.services.pictures.near_duplicates import NearDuplicates

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def pictures(its: Services) -> PictureCache:
    """Looks up and stores pictures."""
    return PictureCache(its.blobs, its.clock, its.events, its.near_duplicates)


def near_duplicates(its: Services) -> NearDuplicates | None:
    """The search for nearly identical photos, if it is switched on."""
    if not its.settings.cache.near:
        return None
    return NearDuplicates(its.blobs, its.workers, its.events, its.limits, its.settings.cache.near_bits)
