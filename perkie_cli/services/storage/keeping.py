"""Maintenance of stored pictures: statistics, purge, verification. The same for every store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from enum import StrEnum

from perkie_cli.domain.errors import NotFound, UsageError
from perkie_cli.domain.events import Audited
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.pictures.cache_key import parse_name
from perkie_cli.domain.storage.lifecycle import Rule
from perkie_cli.domain.storage.metadata import allowed_of
from perkie_cli.domain.storage.protection import Protection
from perkie_cli.domain.storage.selection import Selection, StoredTotal, area_of, total
from perkie_cli.ports import Blob, BlobInfo, BlobStore, Clock, EventSink, StrayKind
from perkie_cli.services.storage.filter import Filter
from perkie_cli.services.storage.together import together

AT_ONCE = 16  # concurrent requests; a bucket is a network round trip away


SHORTENED = "…"  # what ``inspect`` prints in place of a part of a hash, and ``fetch`` accepts


class FindingKind(StrEnum):
    """The kinds of problems in a store."""

    DAMAGED = "damaged"  # the bytes are missing or do not match the stored hash
    DAMAGED_INDEX = "damaged index"
    FILE_WITHOUT_ENTRY = "file without entry"
    LEFTOVER = "leftover"  # of an interrupted write
    SENSELESS_FACTS = "senseless facts"  # the object is whole, but not what stands beside it


@frozen
class Finding:
    """One problem, and what a repair does about it: ``removed``, ``adopted``, ``renewed`` or ``moved aside``."""

    key: str
    kind: FindingKind
    size: int  # bytes
    remedy: str
    detail: str | None = None


class CacheKeeping:
    """The use cases of ``perkie cache``. ``rules`` are the lifetimes."""

    def __init__(
        self, store: BlobStore, clock: Clock, events: EventSink, rules: Sequence[Rule], protection: Protection
    ) -> None:
        self._store = store
        self._clock = clock
        self._events = events
        self._rules = rules
        self._protection = protection

    async def stats(self, chosen: Filter) -> Mapping[str, StoredTotal]:
        """Totals by area."""
        totals: dict[str, StoredTotal] = {}
        for selection in self._selections(chosen):
            for area, found in (await self._store.totals(selection)).items():
                totals[area] = totals.get(area, StoredTotal()) + found
        return dict(sorted(totals.items()))

    async def inspect(self, chosen: Filter) -> AsyncIterator[BlobInfo]:
        """Streams the objects in key order."""
        for selection in self._selections(chosen):
            async for info in self._store.list(selection):
                yield info

    async def would_purge(self, chosen: Filter) -> Mapping[str, StoredTotal]:
        """Totals of what ``purge`` would remove, by area.

        Raises: UsageError without any filter.
        """
        _require_some(chosen)
        if not chosen.erases:
            return await self.stats(chosen)
        totals: dict[str, StoredTotal] = {}
        async for info in self.victims(chosen):
            area = area_of(info.key)
            totals[area] = totals.get(area, StoredTotal()) + StoredTotal(1, info.size, info.touched)
        return dict(sorted(totals.items()))

    async def fetch(self, name: str) -> Blob:
        """One object, whose bytes match their hash; ``name`` is its key, also as ``inspect`` shortens it.

        Leaves an audit record: it may be a customer's photo. Raises: NotFound, InvalidParameter.
        """
        key = await self._key(name)
        blob = await self._store.get(key)
        if blob is None:
            damaged = await self._store.head(key) is not None
            said = "is damaged" if damaged else "is not in the cache"
            raise NotFound(f"{key} {said}", hint="`perkie cache inspect` lists the keys.")
        self._events.emit(Audited("cache get", f"{self._store.name} {key}", self._protection.actor))
        return blob

    async def _key(self, name: str) -> str:
        """The key that ``name`` means: with its folder or without, whole or shortened."""
        folder, _, file = name.rpartition("/")
        head, shortened, _ = file.partition(SHORTENED)
        if folder and not shortened:
            return name
        wanted = Selection(f"{folder}/{head}") if folder else Selection(hash=head.partition("_")[0].partition(".")[0])
        keys = [info.key async for info in self._store.list(wanted) if _means(file, info.key)]
        if len(keys) != 1:
            hint = f"Such as {' and '.join(keys[:2])}." if keys else "`perkie cache inspect` lists the keys."
            raise NotFound(f"{len(keys)} keys look like {name}", hint=hint)
        return keys[0]

    def victims(self, chosen: Filter) -> AsyncIterator[BlobInfo]:
        """Streams the objects that ``purge`` would remove."""
        return self._with_derived(chosen) if chosen.erases else self.inspect(chosen)

    async def purge(
        self, chosen: Filter, acknowledged: str | None = None, removed: list[BlobInfo] | None = None
    ) -> Mapping[str, StoredTotal]:
        """Removes the objects; for an owner also the shared copies and cut-outs of the same pictures: an erasure.

        Those are removed first, so that an interrupted purge finds them again through the owner's remaining objects.
        Audit records hold the start and the removed amount, even if it fails. Every removed object is appended to
        ``removed``, also if it fails.

        Raises: UsageError without any filter, ProtectedBucket.
        """
        self._protection.permit(self._store.name, acknowledged)
        _require_some(chosen)
        gone: dict[str, StoredTotal] = {}
        self._audit("cache purge", chosen, "begun")  # recorded first: a killed process writes no second record
        try:
            if chosen.erases:
                await self._adopt(chosen)
            async for batch in _batches(self.victims(chosen)):
                await self._remove(batch, gone, removed)
        finally:
            whole = total(gone)
            self._audit("cache purge", chosen, f"{whole.count} objects, {whole.bytes} bytes")
        return dict(sorted(gone.items()))

    async def verify(
        self, chosen: Filter, *, repair: bool = False, acknowledged: str | None = None
    ) -> AsyncGenerator[Finding, None]:
        """Reads every object and compares its hash; then looks for the remains of crashes.

        A repair first moves a corrupt index aside and rebuilds it from the files. An audit record holds the repairs,
        even if it fails.

        Raises: ProtectedBucket for a repair in a protected bucket, CorruptStore without a repair.
        """
        if repair:
            self._protection.permit(self._store.name, acknowledged)
        count = 0
        try:
            if repair and (aside := await self._store.renew_index()) is not None:
                count += 1
                yield Finding(aside, FindingKind.DAMAGED_INDEX, 0, "moved aside")
            async for finding in self._findings(chosen, repair):
                count += 1
                yield finding
        finally:
            if repair:
                self._audit("cache verify", chosen, f"{count} repaired")

    # ------------------------------------------------------------------ steps

    def _selections(self, chosen: Filter) -> list[Selection]:
        return chosen.selections(self._rules, self._clock.now())

    def _prefixes(self, chosen: Filter) -> list[str]:
        return sorted({selection.prefix for selection in self._selections(chosen)})

    async def _adopt(self, chosen: Filter) -> None:
        """Adopts files that lost their entry in a crash, so that an erasure also finds them."""
        for prefix in self._prefixes(chosen):
            async for _ in self._store.strays(prefix, repair=True):
                pass

    async def _with_derived(self, chosen: Filter) -> AsyncIterator[BlobInfo]:
        """The owner's objects, each after the ownerless objects of the same upload."""
        done: set[str] = set()
        async for info in self.inspect(chosen):
            hash_, _ = parse_name(info.key)
            if hash_ not in done:
                done.add(hash_)
                for area in ("shared", "cutouts"):
                    async for derived in self._store.list(
                        Selection(f"{area}/{hash_[:2]}/{hash_}_", style=chosen.style)
                    ):
                        yield derived
            yield info

    async def _remove(
        self, batch: Sequence[BlobInfo], gone: dict[str, StoredTotal], removed: list[BlobInfo] | None
    ) -> None:
        """Removes objects by rank: derived objects before the owner's objects that lead to them."""
        derived = [info for info in batch if area_of(info.key) in ("shared", "cutouts")]
        for rank in (derived, [info for info in batch if info not in derived]):
            left = await self._delete_all(rank, gone, removed)
            if left:  # on a full disk the files that went have made room for the index
                left = await self._delete_all([info for info, _ in left], gone, removed)
            if left:
                raise left[0][1]

    async def _delete_all(
        self, batch: Sequence[BlobInfo], gone: dict[str, StoredTotal], removed: list[BlobInfo] | None
    ) -> Sequence[tuple[BlobInfo, BaseException]]:
        """Counts what went into ``gone``; returns the rest with their errors."""

        async def delete(info: BlobInfo) -> None:
            if not await self._store.delete(info.key):
                return
            area = area_of(info.key)
            gone[area] = gone.get(area, StoredTotal()) + StoredTotal(1, info.size, info.touched)
            if removed is not None:
                removed.append(info)

        outcomes = await together(delete(info) for info in batch)
        pairs = zip(batch, outcomes, strict=True)
        return [(info, outcome) for info, outcome in pairs if isinstance(outcome, BaseException)]

    async def _findings(self, chosen: Filter, repair: bool) -> AsyncIterator[Finding]:
        async for batch in _batches(self.inspect(chosen)):
            for finding in await asyncio.gather(*(self._check(info, repair) for info in batch)):
                if finding is not None:
                    yield finding
        for prefix in self._prefixes(chosen):
            async for stray in self._store.strays(prefix, repair=repair):
                if stray.kind is not StrayKind.ENTRY_WITHOUT_FILE:  # those were found above
                    remedy = "adopted" if stray.adopted else "removed"
                    yield Finding(stray.key, FindingKind(stray.kind.value), stray.size, remedy)

    async def _check(self, info: BlobInfo, repair: bool) -> Finding | None:
        if (blob := await self._store.get(info.key)) is not None:
            return await self._check_facts(blob, repair)
        if await self._store.head(info.key) is None:
            return None
        if repair:
            await self._store.delete(info.key)
        return Finding(info.key, FindingKind.DAMAGED, info.size, "removed")

    async def _check_facts(self, blob: Blob, repair: bool) -> Finding | None:
        """A repair writes the object again, as used now, without the facts that cannot be read."""
        info = blob.info
        if info.fault is None:
            return None
        if repair:
            facts = allowed_of(info.metadata)
            await self._store.put(info.key, blob.data, content_type=info.content_type, metadata=facts, overwrite=True)
        return Finding(info.key, FindingKind.SENSELESS_FACTS, info.size, "renewed", info.fault)

    def _audit(self, action: str, chosen: Filter, detail: str) -> None:
        self._events.emit(
            Audited(action, f"{self._store.name} {chosen.words}".rstrip(), self._protection.actor, detail)
        )


def _means(file: str, key: str) -> bool:
    head, shortened, tail = file.partition(SHORTENED)
    found = key.rpartition("/")[2]
    return found.startswith(head) and found.endswith(tail) if shortened else found == file


def _require_some(chosen: Filter) -> None:
    if chosen == Filter():
        raise UsageError(
            "no filter was given, so there is nothing to purge",
            hint="Give a filter, such as --customer ID or --expired.",
        )


async def _batches(stream: AsyncIterator[BlobInfo]) -> AsyncIterator[list[BlobInfo]]:
    batch: list[BlobInfo] = []
    async for info in stream:
        batch.append(info)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
