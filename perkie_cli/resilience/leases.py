"""Leases: of all processes that share a store, one at a time does a named piece of work.

A lease is short and renewed while its holder lives, so the work of a process that died is free again after ``LASTS``
seconds, however long the work may take. A holder that stalls for longer may be joined by another: leases save work
and money, they do not guard data.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

from perkie_cli.domain.events import StoreAnswered, StoreFailed
from perkie_cli.domain.frozen import frozen
from perkie_cli.ports import STORE_DOWN, Clock, Document, DocumentRef, DocumentStore, EventSink
from perkie_cli.system.waiting import alongside, uninterrupted

COLLECTION = "leases"
LASTS = 6.0  # seconds
RENEW_EVERY = 2.0  # seconds: two renewals may fail
FIRST_WAIT, LONGEST_WAIT = 0.1, 1.0  # seconds between looks at another's lease
NOT_KEPT = timedelta(0)


class OtherTerms(Exception):
    """The name is, or was, held for something else."""


class HeldByOther(Exception):
    """Another holder works, and has since ``since``."""

    def __init__(self, since: datetime) -> None:
        super().__init__(since)
        self.since = since


@frozen
class Lease:
    """``holder`` has the name until ``until``, since ``since``; without a holder the work is done. Times are in epoch
    seconds.

    ``terms`` say what the name is held for; nobody else's are accepted until ``expires``.
    """

    terms: str
    holder: str | None
    until: float
    expires: float
    since: float = 0.0

    def is_live(self, now: float) -> bool:
        """Whether its holder still works. One from the future is of a clock that was set back since."""
        return self.holder is not None and now < self.until <= now + 2 * LASTS

    @classmethod
    def from_document(cls, document: Document | None, now: float) -> Lease | None:
        """The lease; None if there is none or it has expired."""
        if document is None or document["expires"] <= now:
            return None
        held = (document["terms"], document["holder"], document["until"], document["expires"])
        return cls(*held, document.get("since", 0.0))

    def to_document(self) -> Document:
        """The inverse of ``from_document``."""
        return asdict(self)


class Leases:
    """Leases over ``documents``. While the store is down, nobody is kept from working."""

    def __init__(self, documents: DocumentStore, clock: Clock, events: EventSink) -> None:
        self._documents = documents
        self._clock = clock
        self._events = events

    @asynccontextmanager
    async def held(
        self, name: str, terms: str = "", kept: timedelta = NOT_KEPT, *, wait: bool = True
    ) -> AsyncIterator[None]:
        """Holds ``name`` during the block; before, waits until others are done or dead.

        ``kept``: for so long after a success the name is remembered with its ``terms``, and holds up nobody.
        Without ``wait``, only until it is sure that another one works.

        Raises: OtherTerms if the name came with other terms before; HeldByOther without ``wait``.
        """
        ref = DocumentRef(COLLECTION, hashlib.sha256(name.encode()).hexdigest())
        mine = Lease(terms, uuid.uuid4().hex, 0.0, 0.0)
        done = False
        try:
            if not await self._wait_and_take(ref, mine, kept, wait=wait):
                yield
                return
            async with alongside(self._renew(ref, mine)):
                yield
            done = True
        finally:
            await uninterrupted(self._leave(ref, mine, kept if done else NOT_KEPT))

    async def _wait_and_take(self, ref: DocumentRef, mine: Lease, kept: timedelta, *, wait: bool) -> bool:
        """Whether the lease is ours; without one, the work was done before, or the store is down."""
        pause, seen = FIRST_WAIT, None
        try:
            while isinstance(taken := await uninterrupted(self._take(ref, mine, kept)), Lease):
                if not wait and seen not in (None, taken):  # renewed, or taken by a third: somebody lives
                    raise HeldByOther(datetime.fromtimestamp(taken.since, UTC))
                seen = taken
                await self._clock.sleep(pause)
                pause = min(LONGEST_WAIT, pause * 2)
        except STORE_DOWN as error:
            self._events.emit(StoreFailed(self._documents.name, "lease", error.message, error.hint))
            return False
        self._events.emit(StoreAnswered(self._documents.name))
        return taken

    async def _take(self, ref: DocumentRef, mine: Lease, kept: timedelta) -> bool | Lease:
        """Whether the name is ours now; another's lease while that holds it."""
        now = self._clock.now().timestamp()

        def change(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], bool | Lease]:
            found = Lease.from_document(documents[0], now)
            if found is not None and found.terms != mine.terms:
                raise OtherTerms
            if found is not None and found.holder == mine.holder:  # the answer to our first attempt was lost
                return documents, True
            if found is not None and (found.holder is None or found.is_live(now)):
                return documents, False if found.holder is None else found
            taken = replace(mine, until=now + LASTS, expires=now + max(LASTS, kept.total_seconds()), since=now)
            return [taken.to_document()], True

        return await self._documents.update([ref], change)

    async def _renew(self, ref: DocumentRef, mine: Lease) -> None:
        """Renews the lease until it is lost or this is cancelled. A store that is down has other chances."""
        held = True
        while held:
            await self._clock.sleep(RENEW_EVERY)
            try:
                held = await uninterrupted(self._renewed(ref, mine))
            except STORE_DOWN:
                continue

    async def _renewed(self, ref: DocumentRef, mine: Lease) -> bool:
        until = self._clock.now().timestamp() + LASTS

        def change(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], bool]:
            found = _of(documents[0], mine)
            if found is None:
                return documents, False
            return [replace(found, until=until, expires=max(found.expires, until)).to_document()], True

        return await self._documents.update([ref], change)

    async def _leave(self, ref: DocumentRef, mine: Lease, kept: timedelta) -> None:
        now = self._clock.now().timestamp()

        def change(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], None]:
            found = _of(documents[0], mine)
            if found is None:
                return documents, None
            return [replace(found, holder=None, until=now).to_document() if kept else None], None

        try:
            await self._documents.update([ref], change)
        except STORE_DOWN as error:  # the lease will end
            self._events.emit(StoreFailed(self._documents.name, "lease", error.message, error.hint))


def _of(document: Document | None, mine: Lease) -> Lease | None:
    """The lease if it is still ours, even if it was due."""
    found = None if document is None else Lease.from_document(document, float("-inf"))
    return found if found is not None and found.holder == mine.holder else None
