"""Idempotency records over every document store, between two processes' worth of services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from perkie_cli.domain.errors import IdempotencyMismatch
from perkie_cli.domain.events import NoEvents
from perkie_cli.services.shop.idempotency import IdempotencyRecords
from tests.clock import ManualClock
from tests.contract.document_stores import Opener
from tests.events import Recorder
from tests.unit.quotas.test_quotas_degraded import DownAtTimes

MINUTE = 60.0


class PatientClock(ManualClock):
    """Waits for real, a little; its time moves only when told to."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0.002)


@pytest.fixture
def patient() -> PatientClock:
    return PatientClock()


@pytest.fixture
async def two(documents_opener: Opener, patient: PatientClock) -> AsyncIterator[list[IdempotencyRecords]]:
    yield [IdempotencyRecords(documents_opener.open(patient), patient, NoEvents()) for _ in range(2)]


async def until(clock: PatientClock, waits: int) -> None:
    """Until the other has looked so often and found the key held."""
    while len(clock.slept) < waits:  # noqa: ASYNC110 -- the clock belongs to the code under test
        await asyncio.sleep(0.001)


async def test_the_second_waits_for_the_first_and_is_let_through_when_it_is_done(
    two: list[IdempotencyRecords], patient: PatientClock
) -> None:
    order: list[str] = []

    async def second() -> None:
        async with two[1].holding("k", "payload", MINUTE):
            order.append("second")

    async with two[0].holding("k", "payload", MINUTE):
        task = asyncio.ensure_future(second())
        await until(patient, 6)
        order.append("first")
    await task
    async with two[0].holding("k", "payload", MINUTE):
        order.append("replay")
    assert order == ["first", "second", "replay"]
    assert patient.slept[:6] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


async def test_another_payload_is_refused_during_the_work_and_after_it(two: list[IdempotencyRecords]) -> None:
    async with two[0].holding("k", "payload", MINUTE):
        with pytest.raises(IdempotencyMismatch):
            async with two[1].holding("k", "other", MINUTE):
                pass
    with pytest.raises(IdempotencyMismatch):
        async with two[1].holding("k", "other", MINUTE):
            pass
    async with two[1].holding("another key", "other", MINUTE):
        pass


async def test_failed_work_leaves_no_record(two: list[IdempotencyRecords]) -> None:
    with pytest.raises(ValueError, match="upstream"):
        async with two[0].holding("k", "payload", MINUTE):
            raise ValueError("upstream")
    async with two[1].holding("k", "other", MINUTE):
        pass


async def test_of_a_holder_that_died_the_next_takes_over_when_the_lease_ends(
    two: list[IdempotencyRecords], patient: PatientClock
) -> None:
    dead = two[0].holding("k", "payload", MINUTE)
    await dead.__aenter__()

    async def next_one() -> None:
        async with two[1].holding("k", "payload", MINUTE):
            pass

    task = asyncio.ensure_future(next_one())
    await until(patient, 3)
    assert not task.done()
    patient.advance(MINUTE)
    await asyncio.wait_for(task, 60)
    await dead.__aexit__(ValueError, ValueError(), None)  # come back to life and failing, it must not disturb
    with pytest.raises(IdempotencyMismatch):
        async with two[0].holding("k", "other", MINUTE):
            pass


async def test_a_key_may_be_used_again_after_a_day(two: list[IdempotencyRecords], patient: PatientClock) -> None:
    async with two[0].holding("k", "payload", MINUTE):
        pass
    patient.advance(timedelta(hours=24))
    async with two[1].holding("k", "other", MINUTE):
        pass


async def test_cancelled_while_waiting_it_leaves_the_holder_alone(
    two: list[IdempotencyRecords], patient: PatientClock
) -> None:
    async def waiter() -> None:
        async with two[1].holding("k", "payload", MINUTE):
            pass

    async with two[0].holding("k", "payload", MINUTE):
        task = asyncio.ensure_future(waiter())
        await until(patient, 1)
        task.cancel()
        await asyncio.wait([task])
        with pytest.raises(IdempotencyMismatch):
            async with two[1].holding("k", "other", MINUTE):
                pass


async def test_a_store_that_is_down_is_passed_over() -> None:
    store, events = DownAtTimes(), Recorder()
    store.down = True
    records = IdempotencyRecords(store, ManualClock(), events)
    async with records.holding("k", "payload", MINUTE):
        pass
    assert len(events.events) == 2
