"""How long a place is held, what reaches the store, and when a hand-over is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from perkie_cli.domain.errors import QuotaExceeded, StoreUnavailable
from perkie_cli.domain.events import StoreAnswered, StoreFailed
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from perkie_cli.domain.quotas.limits import Charge, QuotaLimits
from perkie_cli.services.quotas.quotas import QuotaRules, Quotas
from perkie_cli.stores.memory import MemoryDocuments
from tests.clock import ManualClock
from tests.events import Recorder
from tests.unit.quotas.test_quotas_degraded import DownAtTimes

LIMITS = QuotaLimits()
ANNA, BERT = LIMITS.charge(Owner.customer("1")), LIMITS.charge(Owner.customer("2"))
UNMETERED = LIMITS.charge(ANONYMOUS)


@pytest.fixture
def store() -> DownAtTimes:
    return DownAtTimes()


@pytest.fixture
def quotas(store: DownAtTimes, clock: ManualClock, events: Recorder) -> Quotas:
    return Quotas(store, MemoryDocuments(), QuotaRules(), clock, events)


async def counts(quotas: Quotas, charge: Charge = ANNA) -> tuple[int, int]:
    """Used and in flight."""
    status = await quotas.status(charge)
    assert status is not None
    return status.used, status.in_flight


@pytest.mark.parametrize(("work", "held"), [(60, 90), (900, 930), (100_000, 930)])
async def test_a_place_is_held_for_the_work_and_a_margin_but_not_for_ever(
    quotas: Quotas, clock: ManualClock, work: float, held: float
) -> None:
    """The margin (30 s) is for clocks that differ and for settling; the longest work is 15 min."""
    async with quotas.reserve(ANNA, work):
        clock.advance(held - 1)
        assert await counts(quotas) == (0, 1)
        clock.advance(2)
        assert await counts(quotas) == (0, 0)


async def test_a_picture_takes_two_steps_of_the_store_and_one_given_back_too(
    quotas: Quotas, store: DownAtTimes
) -> None:
    for number in (1, 2):
        async with quotas.reserve(ANNA, 60) as reservation:
            await reservation.commit()
            await reservation.commit()
        assert store.calls == 2 * number, "reserve and commit: nothing is booked again, nothing given back"
    async with quotas.reserve(ANNA, 60):
        pass
    assert store.calls == 6, "reserve and release"
    assert await counts(quotas) == (2, 0)


async def test_a_store_that_is_down_is_asked_again_after_five_seconds(
    quotas: Quotas, store: DownAtTimes, clock: ManualClock
) -> None:
    store.down = True
    await quotas.status(ANNA)
    clock.advance(4.9)
    await quotas.status(ANNA)
    assert store.calls == 1
    clock.advance(0.1)
    await quotas.status(ANNA)
    await quotas.status(ANNA)
    assert store.calls == 2, "one request at a time"


async def test_every_step_that_finds_the_store_down_is_told(
    quotas: Quotas, store: DownAtTimes, clock: ManualClock, events: Recorder
) -> None:
    async with quotas.reserve(ANNA, 60):
        store.down = True
        await quotas.status(ANNA)
    async with quotas.reserve(ANNA, 60) as reservation:
        store.down = False
        clock.advance(5)
        async with quotas.reserve(BERT, 60) as other:
            store.down = True
            await other.commit()
        await reservation.commit()
    await quotas.aclose()
    failed = [event for event in events.events if isinstance(event, StoreFailed)]
    assert failed == [StoreFailed("flaky", step, "down") for step in ("read", "release", "commit", "book")]
    assert StoreAnswered("flaky") in events.events


async def test_after_a_failed_commit_the_store_is_left_alone_for_a_while(
    quotas: Quotas, store: DownAtTimes, clock: ManualClock
) -> None:
    async with quotas.reserve(ANNA, 60) as reservation:
        store.down = True
        await reservation.commit()
    assert quotas.degraded
    await quotas.status(ANNA)
    assert store.calls == 2
    store.down = False
    clock.advance(5)
    async with quotas.reserve(BERT, 60):
        pass
    assert await counts(quotas) == (1, 0), "it is booked once, with the next request"


async def test_a_use_that_was_counted_in_memory_is_booked_once(
    quotas: Quotas, store: DownAtTimes, clock: ManualClock
) -> None:
    store.down = True
    async with quotas.reserve(ANNA, 60) as reservation:
        await reservation.commit()
    store.down = False
    clock.advance(5)
    await quotas.aclose()
    await quotas.aclose()
    assert store.calls == 2, "the failed reservation, and one booking"
    assert await counts(quotas) == (1, 0)


async def test_a_place_is_handed_over_with_its_time_and_pays_once(quotas: Quotas, clock: ManualClock) -> None:
    async with quotas.reserve(ANNA, 60) as reservation:
        clock.advance(50)
        assert await reservation.pass_to(BERT)
        assert await counts(quotas, ANNA) == (0, 0)
        assert await counts(quotas, BERT) == (0, 1)
        clock.advance(41)
        assert await counts(quotas, BERT) == (0, 0), "the lease ends when it would have ended"
        await reservation.commit()
    assert await counts(quotas, ANNA) == (0, 0)
    assert await counts(quotas, BERT) == (1, 0)


@pytest.mark.parametrize("why", ["midnight", "unmetered", "committed", "full", "down"])
async def test_a_hand_over_that_cannot_be_leaves_everything(
    quotas: Quotas, store: DownAtTimes, clock: ManualClock, why: str
) -> None:
    for _ in range(5 if why == "full" else 0):
        async with quotas.reserve(BERT, 60) as theirs:
            await theirs.commit()
    async with quotas.reserve(ANNA, 100_000) as reservation:
        if why == "midnight":
            clock.advance(timedelta(hours=12))
        elif why == "committed":
            await reservation.commit()
        store.down = why == "down"
        assert not await reservation.pass_to(UNMETERED if why == "unmetered" else BERT)
        store.down = False
        assert reservation.charge == ANNA
        assert await counts(quotas, BERT) == (5 if why == "full" else 0, 0)
        await reservation.commit()
    clock.advance(5)
    if why != "midnight":
        assert await counts(quotas) == (1, 0)


async def test_an_exhausted_quota_holds_nothing_and_releases_nothing(quotas: Quotas, store: DownAtTimes) -> None:
    for _ in range(5):
        async with quotas.reserve(ANNA, 60) as reservation:
            await reservation.commit()
    with pytest.raises(QuotaExceeded):
        async with quotas.reserve(ANNA, 60):
            pytest.fail("there is no place")
    assert store.calls == 11
    assert not quotas.degraded


async def test_unmetered_work_asks_nobody(quotas: Quotas, store: DownAtTimes) -> None:
    async with quotas.reserve(UNMETERED, 60) as reservation:
        await reservation.commit()
        assert not reservation.committed
    assert await quotas.status(UNMETERED) is None
    assert store.calls == 0


async def test_where_down_means_no_the_customer_hears_when_to_come_back(store: DownAtTimes, clock: ManualClock) -> None:
    quotas = Quotas(store, MemoryDocuments(), QuotaRules("deny"), clock, Recorder())
    store.down = True
    with pytest.raises(StoreUnavailable) as caught:
        await quotas.status(ANNA)
    assert caught.value.retry_after == 5.0


async def test_no_request_books_a_whole_outage(quotas: Quotas, store: DownAtTimes, clock: ManualClock) -> None:
    store.down = True
    for number in range(51):
        async with quotas.reserve(LIMITS.charge(Owner.customer(f"c{number}")), 60) as reservation:
            await reservation.commit()
    store.down = False
    clock.advance(5)
    for steps in (50 + 2, 1 + 2, 2):  # fifty are booked, then the last one; each time reserve and release
        before = store.calls
        async with quotas.reserve(ANNA, 60):
            pass
        assert store.calls - before == steps


def test_local_drawings_cost_nothing_unless_it_is_said() -> None:
    assert not QuotaRules().count_local
