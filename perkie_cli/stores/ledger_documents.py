"""The spend ledger over a document store such as Firestore, for processes on many machines.

A day is split over several documents (shards), since one document takes about one write a second. Each shard can be
booked alone, up to its share of the cap. The first call that does not fit into its shard reads all of them in one
transaction and marks them; from then on every call of that day does the same. So the whole cap can be used and is
never exceeded, and the shards are contended only for the last part of it. Money is counted in whole nanodollars.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from perkie_cli.domain.money.spend import NANO, Purchase, Spend, Usage, daily_cap_reached, nanodollars
from perkie_cli.ports import Clock, Document, DocumentRef, DocumentStore

COLLECTION = "spend"
SHARDS = 8
KEPT = timedelta(days=400)  # a little more than a year, for reports


@dataclass(frozen=True, slots=True)
class Booked:
    """One purchase's settled calls in one shard, and the number of calls started."""

    calls: int = 0
    nano: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Wasted:
    """Settled calls of one purchase that brought no picture."""

    calls: int = 0
    nano: int = 0


@dataclass(frozen=True, slots=True)
class Shard:
    """One document of a day. ``open`` maps bookings to purchase and nanodollars; ``whole``: the cap is for all shards.

    A purchase is written as ``MODEL|STYLE`` (``MODEL`` by older versions).
    """

    models: Mapping[str, Booked] = field(default_factory=dict)
    open: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    whole: bool = False
    wasted: Mapping[str, Wasted] = field(default_factory=dict)

    @property
    def nano(self) -> int:
        """Settled and possible spend in nanodollars."""
        return sum(each.nano for each in self.models.values()) + sum(nano for _, nano in self.open.values())

    def reserve(self, booking: str, purchase: str, nano: int) -> Shard:
        """This shard with an open booking added."""
        mine = self.models.get(purchase, Booked())
        models = {**self.models, purchase: replace(mine, calls=mine.calls + 1)}
        return replace(self, models=models, open={**self.open, booking: (purchase, nano)})

    def settle(self, booking: str, usage: Usage, *, drawn: bool) -> Shard:
        """This shard with the call's actual cost; settling twice changes nothing."""
        if booking not in self.open:
            return self
        purchase, _ = self.open[booking]
        mine = self.models[purchase]
        wasted = self.wasted
        if not drawn:
            before = wasted.get(purchase, Wasted())
            wasted = {**wasted, purchase: Wasted(before.calls + 1, before.nano + nanodollars(usage.cost_usd))}
        settled = replace(
            mine,
            nano=mine.nano + nanodollars(usage.cost_usd),
            input_tokens=mine.input_tokens + usage.input_tokens,
            output_tokens=mine.output_tokens + usage.output_tokens,
        )
        rest = {each: kept for each, kept in self.open.items() if each != booking}
        return replace(self, models={**self.models, purchase: settled}, open=rest, wasted=wasted)

    @classmethod
    def from_document(cls, document: Document | None) -> Shard:
        """The shard from its document; None is one that was never written."""
        if document is None:
            return cls()
        models = {name: Booked(*numbers) for name, numbers in document["models"].items()}
        opened = {id_: (purchase, nano) for id_, (purchase, nano) in document["open"].items()}
        wasted = {name: Wasted(*numbers) for name, numbers in document.get("wasted", {}).items()}
        return cls(models, opened, document["whole"], wasted)

    def to_document(self, day: date) -> Document:
        """The inverse of ``from_document``."""
        models = {n: [b.calls, b.nano, b.input_tokens, b.output_tokens] for n, b in self.models.items()}
        opened = {id_: list(booking) for id_, booking in self.open.items()}
        expires = (datetime.combine(day, time(), UTC) + KEPT).timestamp()
        wasted = {name: [each.calls, each.nano] for name, each in self.wasted.items()}
        return {"models": models, "open": opened, "whole": self.whole, "wasted": wasted, "expires": expires}


class DocumentLedger:
    """``ports.SpendLedger`` over ``documents``. A booking's id names its shard: ``DAY_SHARD_RANDOM``."""

    def __init__(self, documents: DocumentStore, clock: Clock, rng: random.Random) -> None:
        self._documents = documents
        self._clock = clock
        self._rng = rng

    async def reserve(self, purchase: Purchase, usd: Decimal, cap: Decimal) -> str:
        """Books in a random shard, or across all shards when that one is full."""
        now, nano, name = self._clock.now(), nanodollars(usd), f"{purchase.model}|{purchase.style}"
        day, number = now.date(), self._rng.randrange(SHARDS)
        booking = f"{day}_{number}_{uuid.uuid4().hex}"
        share = nanodollars(cap) // SHARDS

        def alone(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], bool]:
            shard = Shard.from_document(documents[0])
            if booking in shard.open:
                return documents, True
            if shard.whole or shard.nano + nano > share:
                return documents, False
            return [shard.reserve(booking, name, nano).to_document(day)], True

        def among_all(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], None]:
            shards = [Shard.from_document(document) for document in documents]
            if booking in shards[number].open:
                return documents, None
            spent = sum(shard.nano for shard in shards)
            if spent + nano > nanodollars(cap):
                raise daily_cap_reached(Decimal(spent) / NANO, cap, now)
            shards = [replace(shard, whole=True) for shard in shards]
            shards[number] = shards[number].reserve(booking, name, nano)
            return [shard.to_document(day) for shard in shards], None

        if not await self._documents.update([_ref(day, number)], alone):
            await self._documents.update(_refs(day), among_all)
        return booking

    async def settle(self, booking: str, usage: Usage, *, drawn: bool) -> None:
        """Replaces the reserved amount by the actual cost."""
        day_text, number, _ = booking.split("_")
        day = date.fromisoformat(day_text)

        def change(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], None]:
            before = Shard.from_document(documents[0])
            after = before.settle(booking, usage, drawn=drawn)
            return (documents if after is before else [after.to_document(day)]), None

        await self._documents.update([_ref(day, int(number))], change)

    async def spent(self, day: date) -> Decimal:
        """The sum over the day's shards."""
        return Decimal(sum(shard.nano for shard in await self._shards(day))) / NANO

    async def report(self, first: date, last: date) -> Sequence[Spend]:
        """The days from ``first`` to ``last``, summed over their shards."""
        rows: list[Spend] = []
        day = first
        while day <= last:
            rows += _rows(day, await self._shards(day))
            day += timedelta(days=1)
        return rows

    async def ping(self) -> None:
        """Checks that the document store answers."""
        await self._documents.ping()

    async def aclose(self) -> None:
        """Does nothing: the creator of the document store closes it."""

    async def _shards(self, day: date) -> list[Shard]:
        return [Shard.from_document(document) for document in await self._documents.read(_refs(day))]


def _rows(day: date, shards: Sequence[Shard]) -> list[Spend]:
    names = sorted({name for shard in shards for name in shard.models})
    return [_row(day, name, shards) for name in names]


def _row(day: date, name: str, shards: Sequence[Shard]) -> Spend:
    booked = [shard.models[name] for shard in shards if name in shard.models]
    opened = [nano for shard in shards for of, nano in shard.open.values() if of == name]
    wasted = [shard.wasted[name] for shard in shards if name in shard.wasted]
    calls = sum(each.calls for each in booked)
    model, _, style = name.partition("|")
    return Spend(
        day,
        model,
        style,
        calls,
        pictures=calls - len(opened) - sum(each.calls for each in wasted),
        usd=_usd(sum(each.nano for each in booked) + sum(opened)),
        possible_usd=_usd(sum(opened)),
        wasted_usd=_usd(sum(each.nano for each in wasted)),
        input_tokens=sum(each.input_tokens for each in booked),
        output_tokens=sum(each.output_tokens for each in booked),
        possible_calls=len(opened),
    )


def _usd(nano: int) -> Decimal:
    return Decimal(nano) / NANO


def _ref(day: date, number: int) -> DocumentRef:
    return DocumentRef(COLLECTION, f"{day}_{number}")


def _refs(day: date) -> list[DocumentRef]:
    return [_ref(day, number) for number in range(SHARDS)]
