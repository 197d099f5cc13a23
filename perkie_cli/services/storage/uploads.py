"""Pictures that the storefront uploads to store for a customer: the original and processed versions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from perkie_cli.domain.errors import InvalidParameter, PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.cache_key import CacheKey
from perkie_cli.imaging import codec
from perkie_cli.ports import BlobStore, Workers
from perkie_cli.services.pictures.originals import Originals

ORIGINAL = "original"
_PROCESSED = re.compile(r"processed_([a-z0-9][a-z0-9_]{0,63})")
INLINE = 512 * 1024  # bytes hashed on the event loop; more would block it for a millisecond
_BROUGHT = "broughtalong"  # in place of a recipe's fingerprint: look-ups never find it


@frozen
class UploadResult:
    """The result for one picture of an upload: its key or the error."""

    name: str
    key: str | None = None
    hash: str | None = None
    error: PerkieError | None = None


class Uploads:
    """The use case."""

    def __init__(self, blobs: BlobStore, originals: Originals, workers: Workers, limits: ImageLimits) -> None:
        self._blobs = blobs
        self._originals = originals
        self._workers = workers
        self._limits = limits

    async def keep(self, owner: Owner, pictures: Mapping[str, bytes]) -> list[UploadResult]:
        """Stores each picture; a failure does not affect the others. Names: ``original``, ``processed_…``."""
        return [await self._keep(owner, name, data) for name, data in pictures.items()]

    async def _keep(self, owner: Owner, name: str, data: bytes) -> UploadResult:
        try:
            photo = await photo_of(data, self._limits, name, self._workers)
            if name == ORIGINAL:
                original = await self._originals.keep(owner, photo)
                return UploadResult(name, original.key, photo.hash)
            return UploadResult(name, await self._keep_processed(owner, photo), photo.hash)
        except PerkieError as error:
            return UploadResult(name, error=error)

    async def _keep_processed(self, owner: Owner, photo: Photo) -> str:
        match = _PROCESSED.fullmatch(photo.name)
        if match is None:
            raise InvalidParameter(
                f"{photo.name[:80]!r} is not a valid picture name", hint="Use original or processed_…."
            )
        clean = await self._workers.run(codec.strip_metadata, photo.data, self._limits, photo.name)
        key = CacheKey(photo.hash, match[1], _BROUGHT).owned(owner, clean.format.value)
        metadata = {"style": match[1], "width": str(clean.width), "height": str(clean.height)}
        await self._blobs.put(key, clean.data, content_type=clean.format.media_type, metadata=metadata)
        return key


async def photo_of(
    data: bytes, limits: ImageLimits, name: str, workers: Workers, *, uploaded_as: str | None = None
) -> Photo:
    """``codec.photo`` without blocking the event loop.

    Raises: the BadInput family.
    """
    if len(data) <= INLINE or uploaded_as is not None:  # reading only the header is fast
        return codec.photo(data, limits, name, uploaded_as=uploaded_as)
    return await workers.run(codec.photo, data, limits, name)
