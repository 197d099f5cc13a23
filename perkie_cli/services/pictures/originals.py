"""Customers' uploads in the blob store: named by the hash of the uploaded bytes, kept without metadata."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from perkie_cli.domain.errors import BadInput, InvalidParameter, PerkieError
from perkie_cli.domain.events import StoreFailed
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.domain.pictures.cache_key import HASH_LENGTH, original_key
from perkie_cli.imaging import codec
from perkie_cli.ports import BlobInfo, BlobStore, Clock, EventSink, Workers

_EXTENSIONS = (ImageFormat.JPEG.value, ImageFormat.PNG.value)  # what masters are
_SURE_FOR = 60.0  # seconds: a visitor asks for several styles of one upload within a minute
_MOST_SURE = 10_000


@dataclass(frozen=True, slots=True)
class Original:
    """A kept upload: the hash that later requests name it by, and where it lies."""

    hash: str
    key: str


class Originals:
    """Keeps and finds uploads."""

    def __init__(
        self, blobs: BlobStore, workers: Workers, clock: Clock, events: EventSink, limits: ImageLimits
    ) -> None:
        self._blobs = blobs
        self._workers = workers
        self._clock = clock
        self._events = events
        self._limits = limits
        self._sure: OrderedDict[tuple[Owner, str], tuple[Original, float]] = OrderedDict()  # and until when

    async def keep(self, owner: Owner, data: bytes, hash_: str, source: str = "image") -> Original:
        """Stores the upload with the SHA-256 ``hash_`` unless it is there; its lifetime slides then.

        Raises: BadInput, StoreUnavailable.
        """
        original, until = self._sure.get((owner, hash_), (None, 0.0))
        if original is not None and self._clock.monotonic() < until:
            return original
        original = await self._slide(owner, hash_) or await self._store(owner, data, hash_, source)
        self._sure[owner, hash_] = (original, self._clock.monotonic() + _SURE_FOR)
        if len(self._sure) > _MOST_SURE:
            self._sure.popitem(last=False)
        return original

    async def _slide(self, owner: Owner, hash_: str) -> Original | None:
        if (info := await self._head(owner, hash_)) is None:
            return None
        await self._blobs.touch(info, self._clock.now())
        return Original(hash_, info.key)

    async def _store(self, owner: Owner, data: bytes, hash_: str, source: str) -> Original:
        clean = await self._workers.run(codec.strip_metadata, data, self._limits, source)
        key = original_key(owner, hash_, clean.format.value)
        metadata = {"width": str(clean.width), "height": str(clean.height)}
        await self._blobs.put(key, clean.data, content_type=clean.format.media_type, metadata=metadata)
        return Original(hash_, key)

    async def keep_if_possible(self, owner: Owner, data: bytes, hash_: str, source: str = "image") -> Original | None:
        """``keep`` for a request that wants something else: what stands in the way is noted, not raised."""
        try:
            return await self.keep(owner, data, hash_, source)
        except BadInput:
            pass  # drawing it tells the user; without its bucket the picture is drawn all the same
        except PerkieError as error:
            self._events.emit(StoreFailed(self._blobs.name, "write", error.message))
        return None

    async def find(self, owner: Owner, hash_: str) -> Original | None:
        """The upload of this owner; nobody else's is ever looked at.

        Raises: InvalidParameter for what is no hash, StoreUnavailable.
        """
        if len(hash_) != HASH_LENGTH or set(hash_) - set("0123456789abcdef"):
            raise InvalidParameter(f"image_hash {hash_[:70]!r} is not a SHA-256 in lower-case hex")
        info = await self._head(owner, hash_)
        return Original(hash_, info.key) if info else None

    async def _head(self, owner: Owner, hash_: str) -> BlobInfo | None:
        for extension in _EXTENSIONS:
            if (info := await self._blobs.head(original_key(owner, hash_, extension))) is not None:
                return info
        return None

    async def load(self, original: Original) -> bytes | None:
        """The stored picture, unless it has gone meanwhile.

        Raises: StoreUnavailable.
        """
        blob = await self._blobs.get(original.key)
        return blob.data if blob else None
