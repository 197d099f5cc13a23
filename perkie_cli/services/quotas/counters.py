"""The steps of ``domain.quotas`` as transactions over a document store: one document per counter and UTC day."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, datetime, timedelta

from perkie_cli.domain.quotas import limits as quota
from perkie_cli.domain.quotas.limits import Charge, Counter, Tallies
from perkie_cli.domain.quotas.tally import Tally
from perkie_cli.ports import Document, DocumentRef, DocumentStore

COLLECTION = "quota"
KEPT = timedelta(days=7)  # a finished day stays readable this long


class CounterStore:
    """All counters of one store. The document's id contains the day, so a new day starts at zero without clean-up."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def reserve(self, charge: Charge, id_: str, expires: float, now: datetime) -> Tallies:
        """Takes a lease on every counter, or on none.

        Raises: QuotaExceeded, StoreUnavailable.
        """
        day = quota.utc_day(now)
        return await self.change(
            day, charge.counters, lambda tallies: quota.reserve(charge, tallies, id_, expires, now)
        )

    async def commit(self, day: date, counters: Sequence[Counter], id_: str, now: datetime) -> Tallies:
        """Counts the use on every counter; repeating it changes nothing.

        Raises: StoreUnavailable.
        """
        at = now.timestamp()
        return await self.change(day, counters, lambda tallies: {n: t.commit(id_, at) for n, t in tallies.items()})

    async def release(self, day: date, counters: Sequence[Counter], id_: str) -> Tallies:
        """Releases the leases.

        Raises: StoreUnavailable.
        """
        return await self.change(day, counters, lambda tallies: {n: t.release(id_) for n, t in tallies.items()})

    async def move(
        self, day: date, source: Sequence[Counter], target: Charge, id_: str, expires: float, now: datetime
    ) -> Tallies:
        """Moves the leases from one charge to another in one transaction.

        Raises: QuotaExceeded if ``target`` has no quota left (nothing is changed then), StoreUnavailable.
        """

        def step(tallies: Tallies) -> Tallies:
            freed = {name: tally.release(id_) for name, tally in tallies.items()}
            return {**freed, **quota.reserve(target, freed, id_, expires, now)}

        return await self.change(day, (*source, *target.counters), step)

    async def read(self, day: date, counters: Sequence[Counter]) -> Tallies:
        """The current counters.

        Raises: StoreUnavailable.
        """
        found = await self._documents.read([_ref(day, counter.name) for counter in counters])
        return {counter.name: Tally.from_document(document) for counter, document in zip(counters, found, strict=True)}

    async def change(self, day: date, counters: Sequence[Counter], step: Callable[[Tallies], Tallies]) -> Tallies:
        """Runs one transaction over the counters; returns the tallies after it.

        Raises: the errors of ``step`` (nothing is changed then), StoreUnavailable.
        """
        names = list(dict.fromkeys(counter.name for counter in counters))

        def apply(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], Tallies]:
            before = {name: Tally.from_document(document) for name, document in zip(names, documents, strict=True)}
            after = step(before)
            changed = [
                document if after[name] == before[name] else _document(day, after[name])
                for name, document in zip(names, documents, strict=True)
            ]
            return changed, after

        return await self._documents.update([_ref(day, name) for name in names], apply)

    async def forget(self, today: date, counters: Sequence[Counter]) -> int:
        """Deletes the counters of every day that is still kept; returns how many there were.

        Raises: StoreUnavailable.
        """
        days = [today - timedelta(days=back) for back in range(KEPT.days + 2)]

        def drop(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], int]:
            return [None] * len(documents), sum(document is not None for document in documents)

        return await self._documents.update([_ref(day, each.name) for day in days for each in counters], drop)

    async def scan(self, day: date) -> AsyncIterator[tuple[str, Tally]]:
        """Every counter used on that day, by name.

        Raises: StoreUnavailable.
        """
        prefix = f"{day}_"
        async for id_, document in self._documents.scan(COLLECTION, prefix):
            yield id_.removeprefix(prefix), Tally.from_document(document)


def _ref(day: date, name: str) -> DocumentRef:
    return DocumentRef(COLLECTION, f"{day}_{name}")


def _document(day: date, tally: Tally) -> Document:
    return {**tally.to_document(), "expires": (quota.reset_at(day) + KEPT).timestamp()}
