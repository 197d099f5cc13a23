"""The work of an idempotency key runs once (draft-ietf-httpapi-idempotency-key-header): a retry joins or replays it.

Within one process, retries join the running work, and later get its result again for a while. Across all processes that
share a store, a record holds the payload's digest, the process that works on it and until when. It holds no answer: a
drawn picture is in the cache, so a retry at another server is a cache hit at no cost.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from perkie_cli.domain.errors import IdempotencyMismatch
from perkie_cli.domain.events import StoreFailed
from perkie_cli.ports import STORE_DOWN, Clock, Document, DocumentRef, DocumentStore, EventSink
from perkie_cli.resilience.coalesce import Coalescer
from perkie_cli.system.waiting import uninterrupted

T = TypeVar("T")
COLLECTION = "idempotency"
KEPT = timedelta(hours=24)  # after that a key may be reused
FIRST_WAIT, LONGEST_WAIT = 0.1, 1.0  # seconds between checks on another process's work


@dataclass(frozen=True, slots=True)
class Repeatable(Generic[T]):
    """Work that a client may request again under the same ``key``.

    ``digest`` identifies the payload. ``weigh`` returns a result's size in bytes, or None if it failed in parts and
    must not be replayed. ``lasts``: the maximum duration of the work.
    """

    key: str
    digest: str
    work: Callable[[], Awaitable[T]]
    weigh: Callable[[T], int | None]
    lasts: timedelta


@dataclass(slots=True)
class _Entry:
    digest: str
    since: float
    results: tuple[Any, ...] = ()  # empty until the work has succeeded
    weight: int = 0


class Idempotency:
    """Remembers payloads and results for ``lifetime`` seconds, up to ``max_bytes`` and ``max_keys``.

    ``records`` prevent other processes from doing the same work.
    """

    def __init__(
        self,
        records: IdempotencyRecords,
        clock: Clock,
        *,
        lifetime: float = 600.0,
        max_bytes: int = 32 * 1024 * 1024,
        max_keys: int = 10_000,
    ) -> None:
        self._records = records
        self._clock = clock
        self._lifetime = lifetime
        self._max_bytes = max_bytes
        self._max_keys = max_keys
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._coalescer: Coalescer[Any] = Coalescer()

    async def run(self, work: Repeatable[T]) -> T:
        """The result of the work: run now, joined while running, or replayed.

        A failure is not remembered, so that a retry can succeed.

        Raises: IdempotencyMismatch for the same key with another payload, and the errors of the work.
        """
        entry = self._entry(work)
        if entry.results:
            result: T = entry.results[0]
            return result

        async def alone() -> T:
            async with self._records.holding(work.key, work.digest, work.lasts.total_seconds()):
                return await work.work()

        try:
            made: T = (await self._coalescer.run(work.key, alone))[0]
        except Exception:
            if not entry.results and self._entries.get(work.key) is entry:
                del self._entries[work.key]
            raise
        if not entry.results:
            self._remember(work.key, entry, made, work.weigh(made))
        return made

    def _remember(self, key: str, entry: _Entry, made: Any, weight: int | None) -> None:
        if weight is not None:
            entry.results, entry.weight = (made,), weight
            self._trim()
        elif self._entries.get(key) is entry:
            del self._entries[key]

    def _entry(self, work: Repeatable[Any]) -> _Entry:
        now = self._clock.monotonic()
        while self._entries and now - next(iter(self._entries.values())).since > self._lifetime:
            self._entries.popitem(last=False)
        entry = self._entries.setdefault(work.key, _Entry(work.digest, now))
        if entry.digest != work.digest:
            raise _mismatch()
        self._trim()
        return entry

    def _trim(self) -> None:
        while len(self._entries) > self._max_keys or sum(e.weight for e in self._entries.values()) > self._max_bytes:
            self._entries.popitem(last=False)


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """The work of a key: ``holder`` runs it until ``lease`` (epoch seconds); without a holder it is done."""

    digest: str
    holder: str | None
    lease: float
    expires: float

    @classmethod
    def from_document(cls, document: Document | None, now: float) -> IdempotencyRecord | None:
        """The record; None if there is none or it has expired."""
        if document is None or document["expires"] <= now:
            return None
        return cls(document["digest"], document["holder"], document["lease"], document["expires"])

    def to_document(self) -> Document:
        """The inverse of ``from_document``."""
        return {"digest": self.digest, "holder": self.holder, "lease": self.lease, "expires": self.expires}


class IdempotencyRecords:
    """Records over ``documents``. While the store is down, keys work within one process only."""

    def __init__(self, documents: DocumentStore, clock: Clock, events: EventSink) -> None:
        self._documents = documents
        self._clock = clock
        self._events = events

    @asynccontextmanager
    async def holding(self, key: str, digest: str, seconds: float) -> AsyncIterator[None]:
        """Holds ``key`` for the block; waits until other holders are done or their lease has expired.

        ``digest`` identifies the payload; ``seconds`` is the maximum duration. Failed work leaves no record.

        Raises: IdempotencyMismatch if the key came with another payload before.
        """
        ref = DocumentRef(COLLECTION, hashlib.sha256(key.encode()).hexdigest())
        holder = uuid.uuid4().hex
        done = False
        try:
            await self._wait_and_take(ref, digest, holder, seconds)
            yield
            done = True
        finally:
            await uninterrupted(self._leave(ref, holder, done=done))

    async def _wait_and_take(self, ref: DocumentRef, digest: str, holder: str, seconds: float) -> None:
        wait = FIRST_WAIT
        try:
            while not await uninterrupted(self._take(ref, digest, holder, seconds)):
                await self._clock.sleep(wait)
                wait = min(LONGEST_WAIT, wait * 2)
        except STORE_DOWN as error:
            self._events.emit(StoreFailed(self._documents.name, "idempotency", error.message))

    async def _take(self, ref: DocumentRef, digest: str, holder: str, seconds: float) -> bool:
        """Whether the work may start: the key is ours now, or its work was done before."""
        now = self._clock.now().timestamp()

        def change(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], bool]:
            record = IdempotencyRecord.from_document(documents[0], now)
            if record is not None and record.digest != digest:
                raise _mismatch()
            if record is not None and (record.holder in (None, holder) or record.lease > now):
                return documents, record.holder in (None, holder)
            mine = IdempotencyRecord(digest, holder, now + seconds, now + KEPT.total_seconds())
            return [mine.to_document()], True

        return await self._documents.update([ref], change)

    async def _leave(self, ref: DocumentRef, holder: str, *, done: bool) -> None:
        now = self._clock.now().timestamp()

        def change(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], None]:
            record = IdempotencyRecord.from_document(documents[0], now)
            if record is None or record.holder != holder:
                return documents, None
            after = IdempotencyRecord(record.digest, None, now, record.expires)
            return [after.to_document() if done else None], None

        try:
            await self._documents.update([ref], change)
        except STORE_DOWN as error:  # the lease will expire
            self._events.emit(StoreFailed(self._documents.name, "idempotency", error.message))


def _mismatch() -> IdempotencyMismatch:
    return IdempotencyMismatch(
        "this idempotency key came with another request before", hint="Use a new key for a new request."
    )
