"""Optional: reuses a picture of a nearly identical photo of the same owner instead of drawing a new one.

Off by default, and only within one owner's pictures, so that nobody sees another's pet. A photo that its owner uploads
again, scaled down or recompressed by a phone, is drawn only once.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping

from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.events import StoreFailed
from perkie_cli.domain.people.identity import Owner, Tier
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.cache_key import CacheKey
from perkie_cli.domain.pictures.result import CacheOutcome
from perkie_cli.domain.storage.selection import Selection
from perkie_cli.imaging.near_hash import bits_apart, near_hash
from perkie_cli.ports import BlobInfo, BlobStore, EventSink, Workers
from perkie_cli.services.pictures.found import Found, found_in

REMEMBERED = 128  # hashes of current uploads: look-up and storing need the same one
FACT = "phash"
_HASH = re.compile(r"[0-9a-f]{64}")  # anything else was written by somebody's tool


class NearDuplicates:
    """Finds the owner's nearest picture. ``max_distance``: bits of 256 that may differ (see docs/storage.md)."""

    def __init__(
        self, blobs: BlobStore, workers: Workers, events: EventSink, limits: ImageLimits, max_distance: int
    ) -> None:
        self._blobs = blobs
        self._workers = workers
        self._events = events
        self._limits = limits
        self._max_distance = max_distance
        self._known: OrderedDict[str, str] = OrderedDict()

    async def facts(self, owner: Owner, photo: Photo) -> Mapping[str, str]:
        """The facts to store with a picture so that it can be found again.

        Raises: BadInput, MissingExtra.
        """
        return {FACT: await self._hash(photo)} if _has_name(owner) else {}

    async def find(self, key: CacheKey, owner: Owner, photo: Photo) -> Found | None:
        """The owner's picture in this style by this recipe with the nearest upload, if it is near enough.

        Raises: BadInput, MissingExtra.
        """
        if not _has_name(owner):
            return None
        wanted = await self._hash(photo)
        try:
            nearest = await self._nearest(key, owner, wanted)
            blob = await self._blobs.get(nearest.key) if nearest else None
        except PerkieError as error:
            self._events.emit(StoreFailed(self._blobs.name, "read", error.message, error.hint))
            return None
        if blob is None:
            return None
        return found_in(blob, blob.info.key, CacheOutcome.NEAR)

    async def _nearest(self, key: CacheKey, owner: Owner, wanted: str) -> BlobInfo | None:
        best: BlobInfo | None = None
        distance = self._max_distance + 1
        async for info in self._blobs.list(Selection(f"generated/{owner.folder}/", style=key.style)):
            theirs = info.metadata.get(FACT, "")
            same_recipe = info.key.rpartition(".")[0].endswith(f"_{key.fingerprint}")
            if _HASH.fullmatch(theirs) and same_recipe and (apart := bits_apart(wanted, theirs)) < distance:
                best, distance = info, apart
        return best

    async def _hash(self, photo: Photo) -> str:
        if photo.hash not in self._known:
            found = await self._workers.run(near_hash, photo.data, self._limits, photo.name)
            self._known[photo.hash] = found
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            return found
        return self._known[photo.hash]


def _has_name(owner: Owner) -> bool:
    """Whether the owner is one person: the anonymous folder is shared by strangers."""
    return owner.tier is not Tier.IP
