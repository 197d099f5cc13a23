"""Leases over every document store, between two processes' worth of services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from perkie_cli.domain.events import NoEvents
from perkie_cli.ports import Document, DocumentRef
from perkie_cli.resilience.leases import COLLECTION, LASTS, RENEW_EVERY, HeldByOther, Leases, OtherTerms
from tests.clock import ManualClock
from tests.contract.document_stores import Opener
from tests.events import Recorder
from tests.unit.quotas.test_quotas_degraded import DownAtTimes

DAY = timedelta(hours=24)


class PatientClock(ManualClock):
    """Waits for real, a little; its time moves only when told to. ``renewed`` counts waits for the next renewal."""

    renewed = 0

    async def sleep(self, seconds: float) -> None:
        if seconds == RENEW_EVERY:
            self.renewed += 1
        else:
            self.slept.append(seconds)
        await asyncio.sleep(0.002)


class Dying(PatientClock):
    """The clock of a process that dies: it never gets to a renewal."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def patient() -> PatientClock:
    return PatientClock()


@pytest.fixture
async def two(documents_opener: Opener, patient: PatientClock) -> AsyncIterator[list[Leases]]:
    yield [Leases(documents_opener.open(patient), patient, NoEvents()) for _ in range(2)]


async def until(clock: PatientClock, waits: int) -> None:
    """Until the other has looked so often and found the name held."""
    while len(clock.slept) < waits:  # noqa: ASYNC110 -- the clock belongs to the code under test
        await asyncio.sleep(0.001)


async def renewals(clock: PatientClock, count: int) -> None:
    """Until the lease was renewed so often from now on; the wait for the next one proves the one before it."""
    target = clock.renewed + count + 1
    while clock.renewed < target:  # noqa: ASYNC110 -- as above
        await asyncio.sleep(0.001)


async def test_the_second_waits_for_the_first_and_is_let_through_when_it_is_done(
    two: list[Leases], patient: PatientClock
) -> None:
    order: list[str] = []

    async def second() -> None:
        async with two[1].held("k"):
            order.append("second")

    async with two[0].held("k"):
        task = asyncio.ensure_future(second())
        await until(patient, 6)
        order.append("first")
    await task
    assert order == ["first", "second"]
    assert patient.slept[:6] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


async def test_other_names_are_not_held_up(two: list[Leases]) -> None:
    async with two[0].held("k"), two[1].held("l"):
        pass


async def test_work_may_last_much_longer_than_a_lease(two: list[Leases], patient: PatientClock) -> None:
    async def second() -> None:
        async with two[1].held("k"):
            pass

    async with two[0].held("k"):
        task = asyncio.ensure_future(second())
        for _ in range(6):
            patient.advance(LASTS - 1)
            await renewals(patient, 1)
            assert not task.done()
    await task


async def test_other_terms_are_refused_during_the_work_and_for_as_long_as_they_are_kept(
    two: list[Leases], patient: PatientClock
) -> None:
    async with two[0].held("k", "payload", DAY):
        with pytest.raises(OtherTerms):
            async with two[1].held("k", "other", DAY):
                pass
    async with two[1].held("k", "payload", DAY), two[0].held("k", "payload", DAY):
        pass  # done before: nobody is held up
    with pytest.raises(OtherTerms):
        async with two[1].held("k", "other", DAY):
            pass
    patient.advance(DAY)
    async with two[1].held("k", "other", DAY):
        pass


async def test_failed_work_leaves_nothing(two: list[Leases]) -> None:
    with pytest.raises(ValueError, match="upstream"):
        async with two[0].held("k", "payload", DAY):
            raise ValueError("upstream")
    async with two[1].held("k", "other", DAY):
        pass


async def test_a_lease_that_is_not_kept_leaves_nothing(documents_opener: Opener, patient: PatientClock) -> None:
    store = documents_opener.open(patient)
    async with Leases(store, patient, NoEvents()).held("k"):
        assert len([id_ async for id_, _ in store.scan(COLLECTION)]) == 1
    assert [id_ async for id_, _ in store.scan(COLLECTION)] == []


async def test_of_a_holder_that_died_the_next_takes_over_when_the_lease_ends(
    documents_opener: Opener, patient: PatientClock, two: list[Leases]
) -> None:
    dead = Leases(documents_opener.open(patient), Dying(), NoEvents()).held("k", "payload", DAY)
    await dead.__aenter__()

    async def next_one() -> None:
        async with two[1].held("k", "payload", DAY):
            pass

    task = asyncio.ensure_future(next_one())
    await until(patient, 3)
    assert not task.done()
    patient.advance(LASTS)
    await asyncio.wait_for(task, 60)
    await dead.__aexit__(ValueError, ValueError(), None)  # come back to life and failing, it must not disturb
    with pytest.raises(OtherTerms):
        async with two[0].held("k", "other", DAY):
            pass


async def test_who_does_not_wait_learns_since_when_another_one_works(two: list[Leases], patient: PatientClock) -> None:
    async def second() -> None:
        async with two[1].held("k", wait=False):
            pass

    began = patient.now()
    async with two[0].held("k"):
        patient.advance(LASTS - 1)
        await renewals(patient, 1)
        task = asyncio.ensure_future(second())
        await until(patient, 1)
        patient.advance(1)
        with pytest.raises(HeldByOther) as told:
            await asyncio.wait_for(task, 60)
    assert told.value.since == began
    await second()


async def test_who_does_not_wait_still_takes_over_from_one_that_died(
    documents_opener: Opener, patient: PatientClock, two: list[Leases]
) -> None:
    dead = Leases(documents_opener.open(patient), Dying(), NoEvents()).held("k")
    await dead.__aenter__()

    async def next_one() -> None:
        async with two[1].held("k", wait=False):
            pass

    task = asyncio.ensure_future(next_one())
    await until(patient, 3)
    patient.advance(LASTS)
    await asyncio.wait_for(task, 60)
    await dead.__aexit__(ValueError, ValueError(), None)


async def test_a_lease_from_the_future_of_a_clock_that_was_set_back_holds_nobody_up(
    documents_opener: Opener, patient: PatientClock, two: list[Leases]
) -> None:
    ahead = Dying()
    ahead.advance(timedelta(hours=1))
    dead = Leases(documents_opener.open(patient), ahead, NoEvents()).held("k")
    await dead.__aenter__()
    async with two[0].held("k"):
        pass
    await dead.__aexit__(ValueError, ValueError(), None)


async def test_cancelled_while_waiting_it_leaves_the_holder_alone(two: list[Leases], patient: PatientClock) -> None:
    async def waiter() -> None:
        async with two[1].held("k", "payload"):
            pass

    async with two[0].held("k", "payload"):
        task = asyncio.ensure_future(waiter())
        await until(patient, 1)
        task.cancel()
        await asyncio.wait([task])
        with pytest.raises(OtherTerms):
            async with two[1].held("k", "other"):
                pass


async def test_of_many_at_once_one_works_at_a_time(documents_opener: Opener, patient: PatientClock) -> None:
    inside, most, ran = 0, 0, 0
    processes = [Leases(documents_opener.open(patient), patient, NoEvents()) for _ in range(documents_opener.most)]

    async def worker(leases: Leases, number: int) -> None:
        nonlocal inside, most, ran
        async with leases.held(f"k{number % 2}"):
            inside += number % 2
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= number % 2
            ran += 1

    await asyncio.gather(*(worker(processes[n % len(processes)], n) for n in range(12)))
    assert (most, ran) == (1, 12)


async def test_a_store_that_is_down_keeps_nobody_from_working() -> None:
    store, events = DownAtTimes(), Recorder()
    store.down = True
    leases = Leases(store, ManualClock(), events)
    async with leases.held("k"), leases.held("k"):
        pass
    assert len(events.events) >= 2


async def test_a_store_that_goes_down_meanwhile_is_tried_again_at_the_next_renewal() -> None:
    store, patient = DownAtTimes(), PatientClock()
    leases = Leases(store, patient, NoEvents())

    async def lease() -> Document | None:
        ids = [id_ async for id_, _ in store.scan(COLLECTION)]
        return (await store.read([DocumentRef(COLLECTION, ids[0])]))[0] if ids else None

    async with AsyncExitStack() as holding:
        await holding.enter_async_context(leases.held("k"))
        store.down = True
        await renewals(patient, 3)
        store.down = False
        patient.advance(LASTS - 1)
        await renewals(patient, 1)
        found = await lease()
        assert found is not None and found["until"] == patient.now().timestamp() + LASTS
    assert await lease() is None
