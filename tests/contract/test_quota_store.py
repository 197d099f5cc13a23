"""Quotas over every document store: nothing overshoots, leaks, or is counted twice."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from perkie_cli.domain.errors import QuotaExceeded
from perkie_cli.domain.events import Audited
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from perkie_cli.domain.quotas.limits import Charge, QuotaLimits, utc_day
from perkie_cli.ports import DocumentRef, DocumentStore
from perkie_cli.services.quotas.admin import QuotaAdmin
from perkie_cli.services.quotas.counters import COLLECTION, CounterStore
from perkie_cli.services.quotas.quotas import QuotaRules, Quotas
from perkie_cli.stores.memory import MemoryDocuments
from tests.clock import ManualClock
from tests.contract.document_stores import Opener
from tests.events import Recorder

LIMITS = QuotaLimits()
CUSTOMER, SESSION, ADDRESS = Owner.customer("42"), Owner.session("abc"), Owner.address("203.0.113.9")
MINUTE = 60.0


def quotas_over(documents: DocumentStore, clock: ManualClock) -> Quotas:
    return Quotas(documents, MemoryDocuments(), QuotaRules(), clock, Recorder())


@pytest.fixture
def quotas(documents: DocumentStore, clock: ManualClock) -> Quotas:
    return quotas_over(documents, clock)


async def draw(quotas: Quotas, charge: Charge) -> None:
    async with quotas.reserve(charge, MINUTE) as reservation:
        await reservation.commit()


async def left(quotas: Quotas, charge: Charge) -> int:
    status = await quotas.status(charge)
    assert status is not None
    return status.remaining


async def test_a_success_counts_and_anything_else_does_not(quotas: Quotas) -> None:
    charge = LIMITS.charge(CUSTOMER)
    await draw(quotas, charge)
    with pytest.raises(ValueError, match="upstream"):
        async with quotas.reserve(charge, MINUTE):
            assert await left(quotas, charge) == 3
            raise ValueError("upstream")
    async with quotas.reserve(charge, MINUTE):
        pass  # a rendering that costs nothing: no commit
    assert await left(quotas, charge) == 4


async def test_the_last_place_goes_to_one_of_many(quotas: Quotas) -> None:
    charge = LIMITS.charge(SESSION, ADDRESS)
    outcomes = await asyncio.gather(*(draw(quotas, charge) for _ in range(20)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 3
    assert all(isinstance(outcome, QuotaExceeded) for outcome in outcomes if outcome is not None)
    assert await left(quotas, charge) == 0


async def test_a_refused_ceiling_leaves_no_lease_on_the_session(documents: DocumentStore, clock: ManualClock) -> None:
    quotas = quotas_over(documents, clock)
    for number in range(30):
        await draw(quotas, LIMITS.charge(Owner.session(f"s{number}"), ADDRESS))
    fresh = LIMITS.charge(SESSION, ADDRESS)
    with pytest.raises(QuotaExceeded, match="all sessions of address"):
        await draw(quotas, fresh)
    (tally,) = (await CounterStore(documents).read(utc_day(clock.now()), fresh.counters[:1])).values()
    assert (tally.used, dict(tally.leases)) == (0, {})


async def test_a_lease_whose_holder_died_stops_counting_when_it_expires(
    documents: DocumentStore, clock: ManualClock
) -> None:
    quotas, charge = quotas_over(documents, clock), LIMITS.charge(CUSTOMER)
    await CounterStore(documents).reserve(charge, "dead", clock.now().timestamp() + 90, clock.now())
    assert await left(quotas, charge) == 4
    clock.advance(90)
    assert await left(quotas, charge) == 5
    await draw(quotas, charge)
    (tally,) = (await CounterStore(documents).read(utc_day(clock.now()), charge.counters)).values()
    assert dict(tally.leases) == {}


async def test_a_commit_after_expiry_counts_once(documents: DocumentStore, clock: ManualClock) -> None:
    counters, charge = CounterStore(documents), LIMITS.charge(CUSTOMER)
    await counters.reserve(charge, "slow", clock.now().timestamp() + 90, clock.now())
    clock.advance(3600)
    for _ in range(2):
        await counters.commit(utc_day(clock.now()), charge.counters, "slow", clock.now())
    await counters.release(utc_day(clock.now()), charge.counters, "slow")
    assert await left(quotas_over(documents, clock), charge) == 4


async def test_midnight_charges_the_day_of_the_reservation(documents: DocumentStore, clock: ManualClock) -> None:
    quotas, charge = quotas_over(documents, clock), LIMITS.charge(CUSTOMER)
    today = utc_day(clock.now())
    clock.advance(timedelta(hours=11, minutes=59, seconds=30))
    async with quotas.reserve(charge, MINUTE) as reservation:
        clock.advance(MINUTE)
        await reservation.commit()
    counters = CounterStore(documents)
    (before,) = (await counters.read(today, charge.counters)).values()
    (after,) = (await counters.read(utc_day(clock.now()), charge.counters)).values()
    assert (before.used, after.used) == (1, 0)
    (kept,) = await documents.read([DocumentRef(COLLECTION, f"{today}_customer:42")])
    assert kept is not None
    assert kept["expires"] > (clock.now() + timedelta(days=6)).timestamp(), "yesterday stays readable"
    assert await left(quotas, charge) == 5


async def test_a_reset_keeps_live_leases_and_a_grant_raises_the_limit(
    documents: DocumentStore, clock: ManualClock
) -> None:
    quotas, counters, charge = quotas_over(documents, clock), CounterStore(documents), LIMITS.charge(CUSTOMER)
    for _ in range(4):
        await draw(quotas, charge)
    day = utc_day(clock.now())
    async with quotas.reserve(charge, MINUTE) as reservation:
        await counters.change(
            day, charge.counters, lambda tallies: {n: t.reset().grant("g", 2) for n, t in tallies.items()}
        )
        assert await left(quotas, charge) == 6
        await reservation.commit()
    assert await left(quotas, charge) == 6


async def test_what_is_charged_by_hand_counts_and_a_refused_change_leaves_no_counter(
    documents: DocumentStore, clock: ManualClock
) -> None:
    events = Recorder()
    admin = QuotaAdmin(documents, LIMITS, clock, events, "on-call")
    for count in (2, 1):  # over the counter that a picture has, and anew
        (change,) = [each async for each in admin.charge(CUSTOMER, count)]
        assert change.after.used == change.before.used + count
    assert await left(quotas_over(documents, clock), LIMITS.charge(CUSTOMER)) == 2
    for step in (admin.charge, admin.grant):
        assert not [each async for each in step(SESSION, -5) if each.is_one]
    assert [(each.counter, each.used) async for each in admin.show(None)] == [("customer:42", 3)]
    told = [(each.target, each.before, each.after) for each in events.events if isinstance(each, Audited)]
    none = "used 0, in flight 0, granted 0"
    assert told[0] == ("customer:42", none, "used 2, in flight 0, granted 0")
    assert told[2:] == [("session:abc", none, none)] * 2


async def test_a_reservation_passes_to_a_waiter_that_has_a_place(quotas: Quotas) -> None:
    leader, waiter = LIMITS.charge(SESSION, ADDRESS), LIMITS.charge(CUSTOMER)
    async with quotas.reserve(leader, MINUTE) as reservation:
        assert await reservation.pass_to(waiter)
        assert await left(quotas, leader) == 3
        assert await left(quotas, waiter) == 4
        await reservation.commit()
    assert (await left(quotas, leader), await left(quotas, waiter)) == (3, 4)


async def test_a_reservation_stays_where_it_was_when_the_waiter_has_no_place(quotas: Quotas) -> None:
    leader, waiter = LIMITS.charge(CUSTOMER), LIMITS.charge(SESSION, ADDRESS)
    for _ in range(3):
        await draw(quotas, waiter)
    async with quotas.reserve(leader, MINUTE) as reservation:
        assert not await reservation.pass_to(waiter)
        await reservation.commit()
    assert (await left(quotas, leader), await left(quotas, waiter)) == (4, 0)


async def test_two_sessions_of_one_address_pass_a_reservation_without_counting_the_ceiling_twice(
    quotas: Quotas,
) -> None:
    leader, waiter = LIMITS.charge(SESSION, ADDRESS), LIMITS.charge(Owner.session("other"), ADDRESS)
    async with quotas.reserve(leader, MINUTE) as reservation:
        assert await reservation.pass_to(waiter)
        await reservation.commit()
    ceiling = Charge(ADDRESS, leader.counters[1:])
    assert (await left(quotas, leader), await left(quotas, waiter), await left(quotas, ceiling)) == (3, 2, 29)


async def test_a_hand_over_that_crosses_the_commit_leaves_nothing_behind(quotas: Quotas) -> None:
    leader, waiter = LIMITS.charge(SESSION, ADDRESS), LIMITS.charge(CUSTOMER)
    async with quotas.reserve(leader, MINUTE) as reservation:
        await asyncio.gather(reservation.commit(), reservation.pass_to(waiter))
    assert (await left(quotas, leader), await left(quotas, waiter)) == (2, 5)


async def test_the_local_user_is_not_metered(quotas: Quotas) -> None:
    async with quotas.reserve(LIMITS.charge(ANONYMOUS), MINUTE) as reservation:
        await reservation.commit()
    assert await quotas.status(LIMITS.charge(ANONYMOUS)) is None


async def test_failures_and_cancellations_at_any_moment_leak_nothing(
    documents_opener: Opener, clock: ManualClock
) -> None:
    dice = random.Random(7)
    servers = [quotas_over(documents_opener.open(clock), clock) for _ in range(documents_opener.most)]
    charges = [LIMITS.charge(Owner.session(f"s{n}"), ADDRESS) for n in range(4)] + [LIMITS.charge(CUSTOMER)]
    successes = dict.fromkeys(range(5), 0)

    async def request(number: int, fails: bool) -> None:
        async with dice.choice(servers).reserve(charges[number], MINUTE) as reservation:
            await asyncio.sleep(0)
            if fails:
                raise ValueError("upstream")
            try:
                await reservation.commit()
            finally:  # a cancel is delivered once the commit has ended
                successes[number] += reservation.committed

    tasks = [asyncio.ensure_future(request(dice.randrange(5), dice.random() < 0.3)) for _ in range(60)]
    while any(not task.done() for task in tasks):
        await asyncio.sleep(dice.random() / 1000)  # not zero: a spinning loop starves the stores' threads
        if dice.random() < 0.2:
            dice.choice(tasks).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for number, charge in enumerate(charges):
        status = await servers[0].status(charge)
        assert status is not None
        assert status.in_flight == 0
        assert successes[number] == status.used <= status.limit
