"""Customers' uploads in the blob store: named by the hash of the uploaded bytes, stored without metadata."""

from __future__ import annotations

from collections import OrderedDict

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import BadInput, InvalidParameter, PerkieError
from perkie_cli.domain.events import StoreFailed, UploadEnded
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.domain.pictures.cache_key import HASH_LENGTH, original_key
from perkie_cli.imaging import codec
from perkie_cli.imaging.sizes import pixels_held
from perkie_cli.ports import BlobInfo, BlobStore, Clock, EventSink, Workers
from perkie_cli.resilience.turns import Load, Turns

_EXTENSIONS = (ImageFormat.JPEG.value, ImageFormat.PNG.value)  # the formats of masters
_SURE_FOR = 60.0  # seconds: visitors request several styles of one upload within a minute
_MOST_SURE = 10_000


@frozen
class Original:
    """A stored upload: the hash by which later requests name it, and its key."""

    hash: str
    key: str


class Originals:
    """Stores and finds uploads."""

    def __init__(
        self,
        blobs: BlobStore,
        workers: Workers,
        clock: Clock,
        events: EventSink,
        limits: ImageLimits,
        turns: Turns,
    ) -> None:
        self._blobs = blobs
        self._workers = workers
        self._clock = clock
        self._events = events
        self._limits = limits
        self._turns = turns
        self._sure: OrderedDict[tuple[Owner, str], tuple[Original, float]] = OrderedDict()  # and until when

    async def keep(self, owner: Owner, photo: Photo) -> Original:
        """Stores the upload, or extends its lifetime if it is already stored.

        Raises: BadInput, StoreUnavailable.
        """
        began = self._clock.monotonic()
        original, until = self._sure.get((owner, photo.hash), (None, 0.0))
        if original is not None and began < until:
            return original
        outcome = "failed"
        try:
            known = await self._slide(owner, photo.hash)
            kept = known or await self._store(owner, photo)
            outcome = "stored" if known is None else "known"
        finally:
            self._events.emit(UploadEnded(outcome, self._clock.monotonic() - began))
        return self._remember(owner, kept)

    def _remember(self, owner: Owner, original: Original) -> Original:
        self._sure[owner, original.hash] = (original, self._clock.monotonic() + _SURE_FOR)
        if len(self._sure) > _MOST_SURE:
            self._sure.popitem(last=False)
        return original

    async def _slide(self, owner: Owner, hash_: str) -> Original | None:
        if (info := await self._head(owner, hash_)) is None:
            return None
        await self._blobs.touch(info, self._clock.now())
        return Original(hash_, info.key)

    async def _store(self, owner: Owner, photo: Photo) -> Original:
        async with self._turns.hold(self._load(photo)):  # else uploads of those who wait would delay those in front
            clean = await self._workers.run(codec.strip_metadata, photo.data, self._limits, photo.name)
        key = original_key(owner, photo.hash, clean.format.value)
        metadata = {"width": str(clean.width), "height": str(clean.height)}
        await self._blobs.put(key, clean.data, content_type=clean.format.media_type, metadata=metadata)
        return Original(photo.hash, key)

    def _load(self, photo: Photo) -> Load:
        pixels = pixels_held(photo.seen, self._limits.max_side)
        return Load(
            pixels, ("upload", photo.pixels.bit_length()), Deadline.never(), self._clock.monotonic(), side_work=True
        )

    async def keep_if_possible(self, owner: Owner, photo: Photo) -> Original | None:
        """``keep`` as a side task of another request: failures become events, not errors."""
        try:
            return await self.keep(owner, photo)
        except BadInput:
            pass  # drawing will report the error; a missing bucket does not prevent drawing
        except PerkieError as error:
            self._events.emit(StoreFailed(self._blobs.name, "write", error.message, error.hint))
        return None

    async def find(self, owner: Owner, hash_: str) -> Original | None:
        """The upload of this owner; those of others are never searched.

        Raises: InvalidParameter for a malformed hash, StoreUnavailable.
        """
        if len(hash_) != HASH_LENGTH or set(hash_) - set("0123456789abcdef"):
            raise InvalidParameter(f"image_hash {hash_[:70]!r} is not a SHA-256 in lower-case hex")
        info = await self._head(owner, hash_)
        return self._remember(owner, Original(hash_, info.key)) if info else None

    async def _head(self, owner: Owner, hash_: str) -> BlobInfo | None:
        for extension in _EXTENSIONS:
            if (info := await self._blobs.head(original_key(owner, hash_, extension))) is not None:
                return info
        return None

    async def load(self, original: Original) -> bytes | None:
        """The stored picture, or None if it was removed meanwhile.

        Raises: StoreUnavailable.
        """
        blob = await self._blobs.get(original.key)
        return blob.data if blob else None
