"""Pictures for the shop's visitors; their uploads are stored for later requests by hash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing

from perkie_cli.domain.errors import NotFound
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.domain.pictures.result import Generated
from perkie_cli.ports import Workers
from perkie_cli.services.pictures.generate import Generate
from perkie_cli.services.pictures.originals import Original, Originals
from perkie_cli.services.storage.uploads import photo_of
from perkie_cli.system.waiting import alongside, as_they_end


@frozen
class StoredPicture:
    """A finished picture and its stored upload, if that could be stored."""

    picture: Generated
    original: Original | None


@frozen
class StyleResult:
    """The result of one style of several: ``drawn`` or ``error``."""

    style: str
    drawn: StoredPicture | None = None
    error: Exception | None = None


class Storefront:
    """The use cases behind the shop's theme."""

    def __init__(self, generate: Generate, originals: Originals, io: Workers, limits: ImageLimits) -> None:
        self._generate = generate
        self._originals = originals
        self._io = io  # not asyncio's default threads, which may all be blocked by a DNS outage
        self._limits = limits

    async def uploaded(self, data: bytes, name: str) -> Photo:
        """The photo sent with the request.

        Raises: the BadInput family.
        """
        return await photo_of(data, self._limits, name, self._io)

    async def stored(self, owner: Owner, hash_: str) -> Photo:
        """A photo that the owner uploaded before.

        Raises: NotFound, InvalidParameter, StoreUnavailable.
        """
        original = await self._originals.find(owner, hash_)
        data = await self._originals.load(original) if original else None
        if data is None:
            raise NotFound("no picture of yours is stored under this hash", hint="Upload it again.")
        return await photo_of(data, self._limits, "the stored picture", self._io, uploaded_as=hash_)

    async def draw(self, request: GenerateRequest) -> StoredPicture:
        """Makes one picture and stores its photo. Raises: as ``Generate``."""
        async with self._keeping(request.photo, request.owner) as keeping:
            return await self._draw(request, keeping)

    async def draw_all(
        self, photo: Photo, owner: Owner, requests: Sequence[GenerateRequest]
    ) -> AsyncGenerator[StyleResult, None]:
        """Draws several pictures of one photo concurrently and yields each as it ends.

        A failure does not affect the others. Closing the iterator cancels the rest.
        """
        async with self._keeping(photo, owner) as keeping:
            works = ((each.style, self._draw(each, keeping)) for each in requests)
            async with aclosing(as_they_end(works)) as ends:
                async for style, task in ends:
                    yield _end(style, task)

    async def _draw(self, request: GenerateRequest, keeping: asyncio.Future[Original | None]) -> StoredPicture:
        return StoredPicture(await self._generate(request), await asyncio.shield(keeping))

    def _keeping(self, photo: Photo, owner: Owner) -> AbstractAsyncContextManager[asyncio.Future[Original | None]]:
        """Stores the upload in the background while the block draws it."""
        return alongside(self._originals.keep_if_possible(owner, photo))


def _end(style: str, task: asyncio.Future[StoredPicture]) -> StyleResult:
    error = task.exception()
    if error is None:
        return StyleResult(style, task.result())
    if not isinstance(error, Exception):
        raise error
    return StyleResult(style, error=error)
