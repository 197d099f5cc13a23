"""Finds recent uploads, so that their pictures can be drawn before anybody asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from perkie_cli.domain.errors import NotFound
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import ANONYMOUS, RESERVED_SESSIONS, Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.cache_key import parse_name
from perkie_cli.domain.storage.selection import Selection, WarmBy
from perkie_cli.imaging import codec
from perkie_cli.ports import BlobInfo, BlobStore, Clock, Workers
from perkie_cli.resilience.leases import HeldByOther, Leases

LEASE = "cache warm"


@frozen
class Upload:
    """One photo in the store. ``key`` and ``owner`` are those of its newest upload, ``count`` is that of its owners."""

    hash: str
    key: str
    owner: Owner
    stored: datetime
    count: int = 1


class Warming:
    """The use case."""

    def __init__(self, blobs: BlobStore, leases: Leases, limits: ImageLimits, workers: Workers, clock: Clock) -> None:
        self._blobs = blobs
        self._leases = leases
        self._limits = limits
        self._workers = workers
        self._clock = clock

    @asynccontextmanager
    async def alone(self, part: str, *, wait: bool) -> AsyncIterator[datetime | None]:
        """Yields None while no other process warms that ``part``, else since when another one does.

        One that died is taken over. With ``wait`` it is always None, after the other one has ended.
        """
        async with AsyncExitStack() as stack:
            other = None
            try:
                await stack.enter_async_context(self._leases.held(f"{LEASE} {part}".rstrip(), wait=wait))
            except HeldByOther as found:
                other = found.since
            yield other

    async def uploads(self, since: timedelta, limit: int, by: WarmBy) -> Sequence[Upload]:
        """The photos stored within ``since``, each once. Memory grows with their number, not with the store's.

        Raises: the store's errors.
        """
        after = self._clock.now() - since
        found = await self._found(lambda upload: upload.stored >= after)
        keys: dict[WarmBy, Callable[[Upload], object]] = {
            WarmBy.NEWEST: lambda upload: upload.stored,
            WarmBy.UPLOADS: lambda upload: (upload.count, upload.stored),
        }
        return sorted(found.values(), key=keys[by], reverse=True)[:limit]  # type: ignore[arg-type]  # comparable

    async def named(self, hashes: Collection[str]) -> Mapping[str, Upload]:
        """Those of the photos that are still stored, by hash. Raises: the store's errors."""
        return await self._found(lambda upload: upload.hash in hashes)

    async def _found(self, wanted: Callable[[Upload], bool]) -> dict[str, Upload]:
        found: dict[str, Upload] = {}
        async for info in self._blobs.list(Selection("originals/")):
            if wanted(upload := _upload(info)):
                found[upload.hash] = _newer(found.get(upload.hash), upload)
        return found

    async def photo(self, upload: Upload) -> Photo:
        """The stored photo. Raises: NotFound if it was removed meanwhile, BadInput, the store's errors."""
        blob = await self._blobs.get(upload.key)
        if blob is None:
            raise NotFound(f"{upload.key} was removed meanwhile")
        return await self._workers.run(codec.photo, blob.data, self._limits, upload.key, uploaded_as=upload.hash)


def _upload(info: BlobInfo) -> Upload:
    hash_, _ = parse_name(info.key)
    return Upload(hash_, info.key, _owner(info.key), info.created)


def _newer(known: Upload | None, upload: Upload) -> Upload:
    if known is None:
        return upload
    newest = max(known, upload, key=lambda each: each.stored)
    return replace(newest, count=known.count + 1)


def _owner(key: str) -> Owner:
    """The owner of an upload, by its folder."""
    _, kind, name, *_ = key.split("/")
    if kind == "customers":
        return Owner.customer(name)
    return ANONYMOUS if name in RESERVED_SESSIONS else Owner.session(name)
