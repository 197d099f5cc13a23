"""Finished pictures in the blob store: the owner's copy, the shared copy, best-effort writes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.events import CacheLookup, StoreAnswered, StoreFailed
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import NOT_KEPT, EncodedPicture
from perkie_cli.domain.pictures.cache_key import CacheKey
from perkie_cli.domain.pictures.result import CacheOutcome
from perkie_cli.domain.storage.selection import Selection
from perkie_cli.ports import BlobInfo, BlobStore, Clock, EventSink
from perkie_cli.services.pictures.found import Found, found_in
from perkie_cli.services.pictures.near_duplicates import NearDuplicates


class PictureCache:
    """Looks up and stores generated pictures. A failed read is a miss; a failed write is a warning.

    No failure loses a finished picture: neither a store that is down nor a bucket that is missing or forbidden.
    Stores retry by themselves.
    """

    def __init__(self, blobs: BlobStore, clock: Clock, events: EventSink, near: NearDuplicates | None = None) -> None:
        self._blobs = blobs
        self._clock = clock
        self._events = events
        self._near = near

    async def find(self, key: CacheKey, owner: Owner, photo: Photo | None = None) -> Found | None:
        """The owner's copy, else the shared one, which is then copied server-side to the owner's path.

        With ``photo``, also one of the owner's pictures of a nearly identical photo, if that is switched on.
        """
        found = await self._by_key(key, owner)
        if found is None and photo is not None and self._near is not None:
            began = self._clock.monotonic()
            found = await self._near.find(key, owner, photo)
            if found is not None:
                self._events.emit(CacheLookup(found.outcome.value, key.style, self._clock.monotonic() - began))
        return found

    async def _by_key(self, key: CacheKey, owner: Owner) -> Found | None:
        began = self._clock.monotonic()
        try:
            found = await self._find(key, owner)
            self._events.emit(StoreAnswered(self._blobs.name, "read"))
        except PerkieError as error:
            self._events.emit(StoreFailed(self._blobs.name, "read", error.message, error.hint))
            found = None
        outcome = found.outcome if found else CacheOutcome.MISS
        self._events.emit(CacheLookup(outcome.value, key.style, self._clock.monotonic() - began))
        return found

    async def _find(self, key: CacheKey, owner: Owner) -> Found | None:
        for extension in ("jpg", "png"):
            own = key.owned(owner, extension)
            if (blob := await self._blobs.get(own)) is not None:
                await self._slide(blob.info)
                return found_in(blob, own, CacheOutcome.HIT)
        for extension in ("jpg", "png"):
            shared = key.shared(extension)
            if (blob := await self._blobs.get(shared)) is not None:
                own = await self._to_owner(shared, owner)
                await self._slide(blob.info)
                return found_in(blob, own, CacheOutcome.SHARED)
        return None

    async def holds(self, key: CacheKey, owner: Owner) -> bool:
        """Whether ``find`` would find it by its key. Raises: the store's errors."""
        keys = (of(extension) for of in (partial(key.owned, owner), key.shared) for extension in ("jpg", "png"))
        return any([await self.holds_at(each) for each in keys])

    async def holds_at(self, key: str) -> bool:
        """Whether something is stored at exactly that key. Raises: the store's errors."""
        return await self._blobs.head(key) is not None

    async def find_at(self, key: str, kind: str) -> Found | None:
        """The object at exactly that key, for pictures without an owner. ``kind`` is their name in the metrics."""
        began = self._clock.monotonic()
        try:
            blob = await self._blobs.get(key)
            self._events.emit(StoreAnswered(self._blobs.name, "read"))
        except PerkieError as error:
            self._events.emit(StoreFailed(self._blobs.name, "read", error.message, error.hint))
            blob = None
        outcome = CacheOutcome.MISS if blob is None else CacheOutcome.HIT
        self._events.emit(CacheLookup(outcome.value, kind, self._clock.monotonic() - began))
        if blob is not None:
            await self._slide(blob.info)
        return None if blob is None else found_in(blob, key, outcome)

    async def _slide(self, info: BlobInfo) -> None:
        """Extends the lifetime, best effort: a failure does not turn a hit into a miss."""
        try:
            await self._blobs.touch(info, self._clock.now())
        except PerkieError as error:
            self._events.emit(StoreFailed(self._blobs.name, "touch", error.message, error.hint))

    async def find_older(self, key: CacheKey, owner: Owner, *, but_not_by: str, cut_out: bool) -> Found | None:
        """The newest picture of the same upload in the same style by any recipe of any engine but one, with or without
        its background as requested.
        """
        try:
            for path, outcome in ((key.owned(owner), CacheOutcome.HIT), (key.shared(), CacheOutcome.SHARED)):
                selection = Selection(path.removesuffix(f"{key.fingerprint}.jpg"), style=key.style)
                older = [info async for info in self._blobs.list(selection) if _stands_in(info, but_not_by, cut_out)]
                for info in sorted(older, key=lambda each: each.created, reverse=True):
                    if (blob := await self._blobs.get(info.key)) is not None:
                        return found_in(blob, await self._to_owner(info.key, owner), outcome)
        except PerkieError as error:
            self._events.emit(StoreFailed(self._blobs.name, "read", error.message, error.hint))
        return None

    async def _to_owner(self, key: str, owner: Owner) -> str:
        """The key of the owner's copy, which is made if it is missing; ``key`` itself if that fails."""
        own = f"generated/{owner.folder}/{key.rpartition('/')[2]}"
        try:
            if own != key and not await self._blobs.copy(key, own):
                return key
        except PerkieError as error:
            self._events.emit(StoreFailed(self._blobs.name, "copy", error.message, error.hint))
            return key
        return own

    async def keep(
        self,
        key: CacheKey,
        owner: Owner,
        picture: EncodedPicture,
        facts: Mapping[str, str],
        photo: Photo,
        *,
        replace: bool,
    ) -> str | None:
        """Stores the owner's and the shared copy. Returns a warning instead of raising: the picture is not lost."""
        if self._near is not None:
            try:
                facts = {**facts, **await self._near.facts(owner, photo)}
            except PerkieError as error:
                return f"{NOT_KEPT}: {error.message}"
        own, shared = (key.owned(owner, picture.format.value), key.shared(picture.format.value))
        return await self.keep_at(own, picture, facts, replace=replace) or await self.keep_at(
            shared, picture, facts, replace=replace
        )

    async def keep_at(
        self, key: str, picture: EncodedPicture, facts: Mapping[str, str], *, replace: bool
    ) -> str | None:
        """Stores one object. Returns a warning instead of raising."""
        metadata = {**facts, "width": str(picture.width), "height": str(picture.height)}
        try:
            await self._blobs.put(
                key, picture.data, content_type=picture.format.media_type, metadata=metadata, overwrite=replace
            )
            self._events.emit(StoreAnswered(self._blobs.name, "write"))
        except PerkieError as error:
            self._events.emit(StoreFailed(self._blobs.name, "write", error.message, error.hint))
            return f"{NOT_KEPT}: {error.message}"
        return None


def _stands_in(info: BlobInfo, but_not_by: str, cut_out: bool) -> bool:
    facts = info.metadata
    return facts.get("engine", but_not_by) != but_not_by and ("cutout" in facts) == cut_out
