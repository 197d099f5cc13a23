"""What the shop's visitor gets: pictures, with the upload kept beside them for later requests by hash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from perkie_cli.domain.errors import NotFound
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.pictures.request import Generated, GenerateRequest
from perkie_cli.ports import Workers
from perkie_cli.services.pictures.generate import Generate
from perkie_cli.services.pictures.originals import Original, Originals
from perkie_cli.services.storage.upload_hash import upload_hash


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to work on: new with this request, or ``original`` from an earlier one."""

    data: bytes
    hash: str
    name: str  # for messages
    original: Original | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """A finished picture and where the upload lies, if it could be kept."""

    picture: Generated
    original: Original | None


@dataclass(frozen=True, slots=True)
class StyleEnd:
    """One style of several came to an end: ``drawn`` or ``error``."""

    style: str
    drawn: Drawn | None = None
    error: Exception | None = None


class Storefront:
    """The use cases behind the shop's theme."""

    def __init__(self, generate: Generate, originals: Originals, io: Workers) -> None:
        self._generate = generate
        self._originals = originals
        self._io = io  # not asyncio's own threads, which may all wait for a name server that is down

    async def uploaded(self, data: bytes, name: str) -> Source:
        """A picture that came with the request."""
        return Source(data, await upload_hash(data, self._io), name)

    async def stored(self, owner: Owner, hash_: str) -> Source:
        """A picture that the same owner uploaded before.

        Raises: NotFound, InvalidParameter, StoreUnavailable.
        """
        original = await self._originals.find(owner, hash_)
        data = await self._originals.load(original) if original else None
        if original is None or data is None:
            raise NotFound("no picture of yours is stored under this hash", hint="Upload it again.")
        return Source(data, hash_, "the stored picture", original)

    async def draw(self, source: Source, request: GenerateRequest) -> Drawn:
        """One picture of ``source`` as ``request`` says; raises what ``Generate`` does."""
        async with self._kept(source, request.owner) as keeping:
            return await self._draw(source, request, keeping)

    async def draw_all(
        self, source: Source, request: GenerateRequest, styles: Sequence[str]
    ) -> AsyncGenerator[StyleEnd, None]:
        """The styles side by side, each as it ends; one that fails does not touch the others.

        Closing the stream cancels what is still under way.
        """
        async with self._kept(source, request.owner) as keeping:
            tasks = {
                asyncio.ensure_future(self._draw(source, replace(request, style=each), keeping)): each
                for each in styles
            }
            try:
                for _ in range(len(tasks)):
                    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    task = done.pop()
                    yield _end(tasks.pop(task), task)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _draw(self, source: Source, request: GenerateRequest, keeping: asyncio.Future[Original | None]) -> Drawn:
        request = replace(request, image=source.data, hash=source.hash, source=source.name)
        return Drawn(await self._generate(request), await asyncio.shield(keeping))

    @asynccontextmanager
    async def _kept(self, source: Source, owner: Owner) -> AsyncIterator[asyncio.Future[Original | None]]:
        """The upload on its way into the store, while something is drawn from it."""
        keeping = asyncio.ensure_future(self._keep(source, owner))
        try:
            yield keeping
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])

    async def _keep(self, source: Source, owner: Owner) -> Original | None:
        if source.original is not None:
            return source.original
        return await self._originals.keep_if_possible(owner, source.data, source.hash, source.name)


def _end(style: str, task: asyncio.Future[Drawn]) -> StyleEnd:
    error = task.exception()
    if error is None:
        return StyleEnd(style, task.result())
    if not isinstance(error, Exception):
        raise error
    return StyleEnd(style, error=error)
