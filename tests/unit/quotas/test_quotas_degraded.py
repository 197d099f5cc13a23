"""Quotas while their store is down, and after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Literal, TypeVar

import pytest

from perkie_cli.domain.errors import PerkieError, QuotaExceeded, StoreUnavailable, WrongCredentials
from perkie_cli.domain.events import QuotaUsed, StoreFailed
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.quotas.limits import Charge, QuotaLimits
from perkie_cli.ports import Change, Document, DocumentRef, DocumentStore
from perkie_cli.services.quotas.quotas import PROBE_EVERY, QuotaRules, Quotas
from perkie_cli.stores.memory import MemoryDocuments
from perkie_cli.system.waiting import uninterrupted
from tests.clock import ManualClock
from tests.events import Recorder

T = TypeVar("T")
CHARGE = QuotaLimits().charge(Owner.customer("42"))


class DownAtTimes(DocumentStore):
    """A store that answers nothing while ``down``; ``calls`` counts what reached it."""

    name = "flaky"

    def __init__(self) -> None:
        self.inner = MemoryDocuments()
        self.down = False
        self.error: PerkieError = StoreUnavailable("down")
        self.calls = 0

    def _answer(self) -> None:
        self.calls += 1
        if self.down:
            raise self.error

    async def update(self, refs: Sequence[DocumentRef], change: Change[T]) -> T:
        self._answer()
        return await self.inner.update(refs, change)

    async def read(self, refs: Sequence[DocumentRef]) -> Sequence[Document | None]:
        self._answer()
        return await self.inner.read(refs)

    async def scan(self, collection: str, prefix: str = "") -> AsyncIterator[tuple[str, Document]]:
        self._answer()
        async for item in self.inner.scan(collection, prefix):
            yield item

    async def ping(self) -> None:
        self._answer()

    async def aclose(self) -> None:
        await self.inner.aclose()


@pytest.fixture
def store() -> DownAtTimes:
    return DownAtTimes()


def quotas_over(store: DownAtTimes, clock: ManualClock, when_down: Literal["memory", "deny"] = "memory") -> Quotas:
    return Quotas(store, MemoryDocuments(), QuotaRules(when_down), clock, Recorder())


async def draw(quotas: Quotas, charge: Charge = CHARGE) -> None:
    async with quotas.reserve(charge, 60) as reservation:
        await reservation.commit()


async def used(quotas: Quotas) -> tuple[int, bool]:
    status = await quotas.status(CHARGE)
    assert status is not None
    return status.used, status.degraded


@pytest.mark.parametrize("error", [StoreUnavailable("down"), WrongCredentials("nobody is let in")], ids=type)
async def test_while_down_it_counts_in_memory_and_says_so(
    store: DownAtTimes, clock: ManualClock, error: PerkieError
) -> None:
    quotas = quotas_over(store, clock)
    await draw(quotas, QuotaLimits().charge(Owner.customer("7")))
    store.down, store.error = True, error
    for _ in range(5):
        await draw(quotas)
    assert await used(quotas) == (5, True)
    with pytest.raises(QuotaExceeded):
        await draw(quotas)


async def test_a_store_that_is_down_is_asked_only_now_and_then(store: DownAtTimes, clock: ManualClock) -> None:
    quotas = quotas_over(store, clock)
    store.down = True
    for _ in range(4):
        await draw(quotas)
    assert store.calls == 1
    clock.advance(PROBE_EVERY)
    await draw(quotas)
    assert store.calls == 2


async def test_back_again_it_books_what_was_drawn_meanwhile(store: DownAtTimes, clock: ManualClock) -> None:
    quotas = quotas_over(store, clock)
    await draw(quotas)
    store.down = True
    for _ in range(2):
        await draw(quotas)
    store.down = False
    clock.advance(PROBE_EVERY)
    await draw(quotas)
    assert await used(quotas) == (4, False)
    assert not quotas.degraded


async def test_a_success_whose_commit_finds_the_store_down_is_charged_to_its_day_later(
    store: DownAtTimes, clock: ManualClock
) -> None:
    quotas = quotas_over(store, clock)
    async with quotas.reserve(CHARGE, 60) as reservation:
        store.down = True
        await reservation.commit()
    store.down = False
    clock.advance(timedelta(hours=13))
    await quotas.aclose()
    assert await used(quotas) == (0, False)
    (day_before,) = [document async for _, document in store.inner.scan("quota", "2026-11-21_")]
    assert (day_before["used"], day_before["leases"]) == (1, {})


async def test_what_could_not_be_booked_yet_is_not_forgotten(store: DownAtTimes, clock: ManualClock) -> None:
    quotas = quotas_over(store, clock)
    store.down = True
    for _ in range(2):
        await draw(quotas)
        clock.advance(PROBE_EVERY)  # the next one tries the store, and to book, in vain
    store.down = False
    await draw(quotas)
    assert await used(quotas) == (3, False)


async def test_requests_side_by_side_book_what_is_owed_once(clock: ManualClock) -> None:
    class TakesTurns(DownAtTimes):
        async def update(self, refs: Sequence[DocumentRef], change: Change[T]) -> T:
            await asyncio.sleep(0)
            return await super().update(refs, change)

    store = TakesTurns()
    quotas = quotas_over(store, clock)
    store.down = True
    for _ in range(4):
        await draw(quotas)
    store.down = False
    clock.advance(PROBE_EVERY)
    assert await used(quotas) == (0, False), "it answers again, and nothing is booked yet"
    await asyncio.gather(*(draw(quotas, QuotaLimits().charge(Owner.customer(f"other{n}"))) for n in range(4)))
    assert await used(quotas) == (4, False)


async def test_a_reservation_that_midnight_overtakes_at_a_dead_store_belongs_to_one_day(clock: ManualClock) -> None:
    class DownOverMidnight(DownAtTimes):
        def _answer(self) -> None:
            clock.advance(timedelta(hours=12))
            super()._answer()

    store = DownOverMidnight()
    store.down = True
    spare = MemoryDocuments()
    quotas = Quotas(store, spare, QuotaRules(), clock, Recorder())
    await draw(quotas)
    found = [(id_, document["used"], document["leases"]) async for id_, document in spare.scan("quota")]
    assert found == [("2026-11-22_customer:42", 1, {})]


async def test_deny_means_no(store: DownAtTimes, clock: ManualClock) -> None:
    quotas = quotas_over(store, clock, "deny")
    store.down = True
    for _ in range(2):  # the second is refused without asking the store
        with pytest.raises(StoreUnavailable, match="quotas cannot be checked") as caught:
            await draw(quotas)
        assert caught.value.retry_after == PROBE_EVERY
    with pytest.raises(StoreUnavailable):
        await quotas.status(CHARGE)
    store.down = False
    clock.advance(PROBE_EVERY)
    await draw(quotas)
    assert await used(quotas) == (1, False)


async def test_a_refusal_counts_as_an_answer(store: DownAtTimes, clock: ManualClock) -> None:
    quotas = quotas_over(store, clock)
    for _ in range(5):
        await draw(quotas)
    store.down = True
    await draw(quotas)
    store.down = False
    clock.advance(PROBE_EVERY)
    with pytest.raises(QuotaExceeded):
        await draw(quotas)
    assert not quotas.degraded


async def test_an_outage_is_told(store: DownAtTimes, clock: ManualClock) -> None:
    events = Recorder()
    quotas = Quotas(store, MemoryDocuments(), QuotaRules(), clock, events)
    store.down = True
    await draw(quotas)
    assert events.events[0] == StoreFailed("flaky", "reserve", "down")
    assert [each.outcome for each in events.events[1:] if isinstance(each, QuotaUsed)] == ["reserved", "committed"]


async def test_the_memory_of_an_outage_is_bounded() -> None:
    memory = MemoryDocuments(limit=3)
    for number in range(9):
        await memory.update([DocumentRef("quota", str(number))], lambda before: ([{"expires": 0}], None))
    assert [id_ async for id_, _ in memory.scan("quota")] == ["6", "7", "8"]


async def test_uninterrupted_work_ends_before_its_waiter_is_cancelled() -> None:
    steps: list[str] = []

    async def work() -> None:
        for step in "abc":
            await asyncio.sleep(0)
            steps.append(step)
        raise ValueError("the cancellation wins")

    task = asyncio.ensure_future(uninterrupted(work()))
    for _ in range(2):
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["a", "b", "c"]
