"""Customers' uploads in the blob store: named by the hash of the uploaded bytes, kept without metadata."""

from __future__ import annotations

from dataclasses import dataclass

from perkie_cli.domain.cache_key import HASH_LENGTH, original_key
from perkie_cli.domain.errors import BadInput, InvalidParameter, NotAuthorised, StoreUnavailable
from perkie_cli.domain.identity import Owner
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.imaging import codec
from perkie_cli.ports import BlobStore, EventSink, Workers
from perkie_cli.telemetry.events import StoreFailed

_EXTENSIONS = (ImageFormat.JPEG.value, ImageFormat.PNG.value)  # what masters are


@dataclass(frozen=True, slots=True)
class Original:
    """A kept upload: the hash that later requests name it by, and where it lies."""

    hash: str
    key: str


class Originals:
    """Keeps and finds uploads."""

    def __init__(self, blobs: BlobStore, workers: Workers, events: EventSink, limits: ImageLimits) -> None:
        self._blobs = blobs
        self._workers = workers
        self._events = events
        self._limits = limits

    async def keep(self, owner: Owner, data: bytes, hash_: str, source: str = "image") -> Original:
        """Stores the upload with the SHA-256 ``hash_`` unless it is there.

        Raises: BadInput, StoreUnavailable.
        """
        if (known := await self.find(owner, hash_)) is not None:
            return known
        clean = await self._workers.run(codec.strip_metadata, data, self._limits, source)
        key = original_key(owner, hash_, clean.format.value)
        metadata = {"width": str(clean.width), "height": str(clean.height)}
        await self._blobs.put(key, clean.data, content_type=clean.format.media_type, metadata=metadata)
        return Original(hash_, key)

    async def keep_if_possible(self, owner: Owner, data: bytes, hash_: str, source: str = "image") -> Original | None:
        """``keep`` for a request that wants something else: what stands in the way is noted, not raised."""
        try:
            return await self.keep(owner, data, hash_, source)
        except (StoreUnavailable, NotAuthorised) as error:
            self._events.emit(StoreFailed(self._blobs.name, "write", error.message))
        except BadInput:
            pass  # drawing it tells the user; without its bucket the picture is drawn all the same
        return None

    async def find(self, owner: Owner, hash_: str) -> Original | None:
        """The upload of this owner; nobody else's is ever looked at.

        Raises: InvalidParameter for what is no hash, StoreUnavailable.
        """
        if len(hash_) != HASH_LENGTH or set(hash_) - set("0123456789abcdef"):
            raise InvalidParameter(f"image_hash {hash_[:70]!r} is not a SHA-256 in lower-case hex")
        for extension in _EXTENSIONS:
            key = original_key(owner, hash_, extension)
            if await self._blobs.head(key) is not None:
                return Original(hash_, key)
        return None

    async def load(self, original: Original) -> bytes | None:
        """The stored picture, unless it has gone meanwhile.

        Raises: StoreUnavailable.
        """
        blob = await self._blobs.get(original.key)
        return blob.data if blob else None
