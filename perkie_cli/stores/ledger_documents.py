"""The spend ledger over a document store such as Firestore, for processes on many machines.

A day is split over several documents (shards), since one document takes about one write a second. Each shard can be
booked alone, up to its share of the cap. The first call that does not fit into its shard reads all of them in one
transaction and marks them; from then on every call of that day does the same. So the whole cap can be used and is
never exceeded, and the shards are contended only for the last part of it. Money is counted in whole nanodollars.

The shards name nobody. A call by a customer or session also stands on that owner's page of the day, a document of its
own that changes in the same transaction. An erasure removes the pages, so that nothing is left to link.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.report import LONGEST
from perkie_cli.domain.money.spend import NANO, Purchase, Spend, Usage, daily_cap_reached, nanodollars
from perkie_cli.domain.people.identity import Owner
from perkie_cli.ports import Clock, Document, DocumentRef, DocumentStore
from perkie_cli.stores.ledger_shard import Shard, rows

COLLECTION = "spend"
SHARDS = 8


@frozen
class Place:
    """Where a booking stands: ``id`` in shard ``number`` of a day, and on that day's page of ``name``, if it has one.

    Written as ``DAY_SHARD_RANDOM``, which is the id, or ``DAY_SHARD_RANDOM_NAME``.
    """

    day: date
    number: int
    id: str
    name: str

    @classmethod
    def new(cls, day: date, number: int, name: str) -> Place:
        """Another place."""
        return cls(day, number, f"{day}_{number}_{uuid.uuid4().hex}", name)

    @classmethod
    def parse(cls, booking: str) -> Place:
        """The inverse of ``str``."""
        day, number, random_, *name = booking.split("_", 3)
        return cls(date.fromisoformat(day), int(number), f"{day}_{number}_{random_}", "".join(name))

    def __str__(self) -> str:
        return f"{self.id}_{self.name}" if self.name else self.id

    @property
    def page(self) -> list[DocumentRef]:
        """The owner's page, if there is one."""
        return [_page(self.day, self.name)] if self.name else []


class DocumentLedger:
    """``ports.SpendLedger`` over ``documents``."""

    def __init__(self, documents: DocumentStore, clock: Clock, rng: random.Random) -> None:
        self._documents = documents
        self._clock = clock
        self._rng = rng

    async def reserve(self, purchase: Purchase, usd: Decimal, cap: Decimal) -> str:
        """Books in a random shard, or across all shards when that one is full."""
        now, nano, name = self._clock.now(), nanodollars(usd), f"{purchase.model}|{purchase.style}"
        day, number = now.date(), self._rng.randrange(SHARDS)
        place = Place.new(day, number, purchase.name)
        share = nanodollars(cap) // SHARDS

        def reserved(shard: Shard) -> Document:
            return shard.reserve(place.id, name, nano).to_document(day)

        def alone(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], bool]:
            shard, *page = map(Shard.from_document, documents)
            if place.id in shard.open:
                return documents, True
            if shard.whole or shard.nano + nano > share:
                return documents, False
            return [reserved(each) for each in (shard, *page)], True

        def among_all(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], None]:
            shards = [Shard.from_document(document) for document in documents[:SHARDS]]
            page = [Shard.from_document(document) for document in documents[SHARDS:]]
            if place.id in shards[number].open:
                return documents, None
            spent = sum(shard.nano for shard in shards)
            if spent + nano > nanodollars(cap):
                raise daily_cap_reached(Decimal(spent) / NANO, cap, now)
            after = [replace(shard, whole=True).to_document(day) for shard in shards]
            after[number] = reserved(replace(shards[number], whole=True))
            return [*after, *map(reserved, page)], None

        if not await self._documents.update([_ref(day, number), *place.page], alone):
            await self._documents.update([*_refs(day), *place.page], among_all)
        return str(place)

    async def settle(self, booking: str, usage: Usage, *, drawn: bool) -> None:
        """Replaces the reserved amount by the actual cost; on the owner's page only if it was not erased meanwhile."""
        place = Place.parse(booking)

        def settled(document: Document | None) -> Document | None:
            before = Shard.from_document(document)
            after = before.settle(place.id, usage, drawn=drawn)
            return document if after is before else after.to_document(place.day)

        def change(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], None]:
            return [settled(document) for document in documents], None

        await self._documents.update([_ref(place.day, place.number), *place.page], change)

    async def spent(self, day: date) -> Decimal:
        """The sum over the day's shards."""
        return Decimal(sum(shard.nano for shard in await self._read(_refs(day)))) / NANO

    async def report(self, first: date, last: date) -> Sequence[Spend]:
        """The days from ``first`` to ``last``, summed over their shards."""
        return [row for day in _days(first, last) for row in rows(day, await self._read(_refs(day)))]

    async def report_by_customer(self, first: date, last: date, only: Owner | None = None) -> Sequence[Spend]:
        """The pages of these days, and what the shards have beside them."""
        days = _days(first, last)
        if only is None:
            return [row for day in days for row in await self._by_customer(day)]
        pages = await self._read([_page(day, str(only)) for day in days])
        return [row for day, page in zip(days, pages, strict=True) for row in rows(day, [page], str(only))]

    async def forget(self, owner: Owner) -> int:
        """Removes the owner's pages."""
        tomorrow = self._clock.now().date() + timedelta(days=1)
        days = reversed(_days(tomorrow - LONGEST, tomorrow))
        refs = [_page(day, str(owner)) for day in days]
        found = await self._documents.read(refs)
        # Another process may begin a page meanwhile, and by its clock it may be yesterday or tomorrow.
        pages = [ref for ref, page in zip(refs, found, strict=True) if page is not None or ref in refs[:3]]

        def remove(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], int]:
            shards = map(Shard.from_document, documents)
            calls = sum(booked.calls for shard in shards for booked in shard.models.values())
            return [None] * len(documents), calls

        return await self._documents.update(pages, remove)

    async def ping(self) -> None:
        """Checks that the document store answers."""
        await self._documents.ping()

    async def aclose(self) -> None:
        """Does nothing: the creator of the document store closes it."""

    async def _read(self, refs: Sequence[DocumentRef]) -> list[Shard]:
        return [Shard.from_document(document) for document in await self._documents.read(refs)]

    async def _by_customer(self, day: date) -> Sequence[Spend]:
        """Pages first, then the shards, together with the pages that may have changed meanwhile: Firestore reads these
        at one moment. So no page has more than the shards.
        """
        prefix = f"{day}_"
        found = {id_.removeprefix(prefix): page async for id_, page in self._documents.scan(COLLECTION, prefix)}
        pages = {name: Shard.from_document(page) for name, page in found.items() if not name.isdecimal()}
        moving = [name for name, page in pages.items() if page.open]
        read = await self._read([*_refs(day), *(_page(day, name) for name in moving)])
        pages |= zip(moving, read[SHARDS:], strict=True)
        named = [row for name, page in pages.items() for row in rows(day, [page], name)]
        return [*named, *_rest(rows(day, read[:SHARDS]), named)]


def _rest(whole: Sequence[Spend], named: Sequence[Spend]) -> list[Spend]:
    """What is in nobody's name."""
    parts: dict[tuple[str, str], list[Spend]] = {}
    for row in named:
        parts.setdefault((row.model, row.style), []).append(row)
    left = [row.without(parts.get((row.model, row.style), ())) for row in whole]
    return [row for row in left if row.calls]


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _ref(day: date, number: int) -> DocumentRef:
    return DocumentRef(COLLECTION, f"{day}_{number}")


def _refs(day: date) -> list[DocumentRef]:
    return [_ref(day, number) for number in range(SHARDS)]


def _page(day: date, name: str) -> DocumentRef:
    return DocumentRef(COLLECTION, f"{day}_{name}")
