"""What every spend ledger must do."""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from perkie_cli.domain.errors import DailyCapReached, StoreUnavailable
from perkie_cli.domain.money.report import grouped, total
from perkie_cli.domain.money.spend import Purchase, Spend, Usage
from perkie_cli.domain.people.identity import Owner
from perkie_cli.ports import SpendLedger
from perkie_cli.stores.sqlite.ledger import SqliteLedger
from tests.clock import ManualClock
from tests.contract.spend_ledgers import LEDGERS, Opener, firestore
from tests.firestores import emulator_thread

TODAY = date(2026, 11, 21)
CAP = Decimal(10)
PRICE = Decimal("0.0357")
MODEL = "gemini-nano-banana-2.1"
INK = Purchase(MODEL, "ink_wash")
VAN_GOGH = Purchase(MODEL, "van_gogh")
DEAR = Purchase("gemini-3-pro-image", "ink_wash")
ANNA, VISITOR = Owner.customer("anna_1"), Owner.session("s_1")


def by(owner: Owner) -> Purchase:
    return replace(INK, owner=owner)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 21, 23, 0, tzinfo=UTC))


@pytest.fixture(params=[*LEDGERS, "firestore"])
def opener(request: pytest.FixtureRequest) -> Opener:
    if request.param == "firestore":
        return functools.partial(firestore, request.getfixturevalue("optimistic_firestore"))
    return LEDGERS[request.param]


@pytest.fixture
async def ledger(opener: Opener, tmp_path: Path, clock: ManualClock) -> AsyncIterator[SpendLedger]:
    async with opener(tmp_path, clock) as opened:
        yield opened


async def test_what_is_reserved_counts_until_it_is_settled(ledger: SpendLedger) -> None:
    booking = await ledger.reserve(INK, PRICE, CAP)
    assert await ledger.spent(TODAY) == PRICE
    await ledger.settle(booking, Usage(1, 1390, 1120, Decimal("0.0356853")), drawn=True)
    assert await ledger.spent(TODAY) == Decimal("0.0356853")


async def test_a_call_that_was_not_billed_costs_nothing(ledger: SpendLedger) -> None:
    await ledger.settle(await ledger.reserve(INK, PRICE, CAP), Usage(), drawn=False)
    assert await ledger.spent(TODAY) == 0


async def test_the_cap_refuses_before_anything_is_booked(ledger: SpendLedger) -> None:
    cap = PRICE * 2
    for _ in range(2):
        await ledger.reserve(INK, PRICE, cap)
    with pytest.raises(DailyCapReached) as refused:
        await ledger.reserve(INK, PRICE, cap)
    assert refused.value.retry_after == 3600
    assert await ledger.spent(TODAY) == cap


async def test_midnight_utc_begins_a_new_day(ledger: SpendLedger, clock: ManualClock) -> None:
    late = await ledger.reserve(INK, PRICE, PRICE)
    clock.advance(3600)
    await ledger.reserve(INK, PRICE, PRICE)
    await ledger.settle(late, Usage(1, 0, 1120, Decimal("0.03")), drawn=True)
    assert await ledger.spent(TODAY) == Decimal("0.03"), "a call belongs to the day it began on"
    assert await ledger.spent(date(2026, 11, 22)) == PRICE


async def test_the_report(ledger: SpendLedger, clock: ManualClock) -> None:
    cost = Usage(1, 100, 1120, Decimal("0.034"))
    for _ in range(2):
        await ledger.settle(await ledger.reserve(INK, PRICE, CAP), cost, drawn=True)
    await ledger.reserve(INK, PRICE, CAP)  # timed out
    await ledger.settle(await ledger.reserve(VAN_GOGH, PRICE, CAP), cost, drawn=True)
    blocked = await ledger.reserve(VAN_GOGH, PRICE, CAP)
    for _ in range(2):  # the answer to the first may have been lost
        await ledger.settle(blocked, Usage(1, 100, 0, Decimal("0.0005")), drawn=False)
    await ledger.reserve(DEAR, Decimal("0.2"), CAP)
    clock.advance(86400)
    await ledger.reserve(INK, PRICE, CAP)
    none = Decimal(0)
    assert list(await ledger.report(TODAY, TODAY)) == [
        Spend(TODAY, "gemini-3-pro-image", "ink_wash", 1, 0, Decimal("0.2"), Decimal("0.2"), none, 0, 0, 1),
        Spend(TODAY, MODEL, "ink_wash", 3, 2, Decimal("0.1037"), PRICE, none, 200, 2240, 1),
        Spend(TODAY, MODEL, "van_gogh", 2, 1, Decimal("0.0345"), none, Decimal("0.0005"), 200, 1120),
    ]
    assert len(await ledger.report(TODAY, date(2026, 11, 22))) == 4
    assert list(await ledger.report(date(2026, 1, 1), date(2026, 1, 2))) == []


async def test_the_report_by_customer(ledger: SpendLedger, clock: ManualClock) -> None:
    cost = Usage(1, 100, 1120, Decimal("0.034"))
    await ledger.settle(await ledger.reserve(by(ANNA), PRICE, CAP), cost, drawn=True)
    await ledger.settle(await ledger.reserve(by(ANNA), PRICE, CAP), Usage(1, 100, 0, Decimal("0.0005")), drawn=False)
    await ledger.reserve(by(ANNA), PRICE, CAP)  # timed out
    await ledger.settle(await ledger.reserve(by(VISITOR), PRICE, CAP), cost, drawn=True)
    for nobody in (INK, by(Owner.address("203.0.113.7"))):
        await ledger.settle(await ledger.reserve(nobody, PRICE, CAP), cost, drawn=True)
    clock.advance(86400)
    await ledger.settle(await ledger.reserve(by(ANNA), PRICE, CAP), cost, drawn=True)
    tomorrow, none = date(2026, 11, 22), Decimal(0)
    rows = {(each.day, each.customer): each for each in await ledger.report_by_customer(TODAY, tomorrow)}
    assert rows == {
        (TODAY, ""): Spend(TODAY, MODEL, "ink_wash", 2, 2, Decimal("0.068"), none, none, 200, 2240),
        (TODAY, "customer:anna_1"): Spend(
            TODAY, MODEL, "ink_wash", 3, 1, Decimal("0.0702"), PRICE, Decimal("0.0005"), 200, 1120, 1, "customer:anna_1"
        ),
        (TODAY, "session:s_1"): Spend(
            TODAY, MODEL, "ink_wash", 1, 1, Decimal("0.034"), none, none, 100, 1120, 0, "session:s_1"
        ),
        (tomorrow, "customer:anna_1"): Spend(
            tomorrow, MODEL, "ink_wash", 1, 1, Decimal("0.034"), none, none, 100, 1120, 0, "customer:anna_1"
        ),
    }
    annas = await ledger.report_by_customer(TODAY, tomorrow, ANNA)
    assert list(annas) == [rows[day, "customer:anna_1"] for day in (TODAY, tomorrow)]
    assert list(await ledger.report_by_customer(TODAY, tomorrow, Owner.customer("anna"))) == []


async def test_who_is_erased_leaves_the_sums_and_no_name(ledger: SpendLedger, clock: ManualClock) -> None:
    """Also a call that is under way meanwhile, and one of a day long ago."""
    await ledger.settle(await ledger.reserve(by(ANNA), PRICE, CAP), Usage(1, 1, 1, PRICE), drawn=True)
    clock.advance(86400 * 300)
    today = clock.now().date()
    await ledger.settle(await ledger.reserve(by(VISITOR), PRICE, CAP), Usage(1, 1, 1, PRICE), drawn=True)
    under_way = await ledger.reserve(by(ANNA), PRICE, CAP)
    assert await ledger.forget(ANNA) == 2
    await ledger.settle(under_way, Usage(1, 10, 20, Decimal("0.03")), drawn=True)
    assert await ledger.forget(ANNA) == 0
    sums = {
        each.customer: (each.calls, each.pictures, each.usd) for each in await ledger.report_by_customer(today, today)
    }
    assert sums == {"": (1, 1, Decimal("0.03")), "session:s_1": (1, 1, PRICE)}
    assert [each.customer for each in await ledger.report_by_customer(TODAY, TODAY)] == [""]
    assert await ledger.spent(today) == PRICE + Decimal("0.03")
    await ledger.reserve(by(ANNA), PRICE, CAP)
    assert [each.calls for each in await ledger.report_by_customer(TODAY, today, ANNA)] == [1], (
        "a new visit is counted anew"
    )


async def test_an_erasure_amid_calls_of_several_processes(opener: Opener, tmp_path: Path, clock: ManualClock) -> None:
    """First calls of one customer at once, and erasures between them: the sums are always those of all calls."""
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(opener(tmp_path, clock)) for _ in range(3)]

        async def call(number: int) -> None:
            ledger = ledgers[number % 3]
            booking = await ledger.reserve(by(ANNA if number % 2 else VISITOR), PRICE, CAP)
            if number % 4:
                await ledger.settle(booking, Usage(1, 1, 1, PRICE / 2), drawn=number % 3 > 0)

        erasures = [ledgers[number].forget(ANNA) for number in range(3)]
        ended = await asyncio.gather(
            *(call(number) for number in range(10)), *erasures, *(call(n) for n in range(10, 24))
        )
        whole = total(await ledgers[0].report(TODAY, TODAY))
        rows = await ledgers[1].report_by_customer(TODAY, TODAY)
        assert total(rows) == whole
        assert whole.calls == 24
        names = {name: each.calls for (name,), each in grouped(rows, ["customer"]).items()}
        assert names["session:s_1"] == 12
        unnamed = sum(each for each in ended if each is not None)
        assert (names.get("", 0), names.get("customer:anna_1", 0)) == (unnamed, 12 - unnamed)
        assert await ledgers[2].forget(ANNA) == 12 - unnamed
        assert {each.customer for each in await ledgers[0].report_by_customer(TODAY, TODAY)} == {"", "session:s_1"}


async def test_many_at_once_never_pass_the_cap(opener: Opener, tmp_path: Path, clock: ManualClock) -> None:
    """Four processes' worth of ledgers over one store, 200 calls at a time, room for 150."""
    cap = PRICE * 150
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(opener(tmp_path, clock)) for _ in range(4)]
        calls = [ledgers[i % 4].reserve(INK, PRICE, cap) for i in range(200)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [each for each in ended if not isinstance(each, str | DailyCapReached)] == []
        assert sum(isinstance(each, str) for each in ended) == 150
        assert await ledgers[0].spent(TODAY) == cap


async def test_bookings_outlive_the_process(opener: Opener, tmp_path: Path, clock: ManualClock) -> None:
    async with opener(tmp_path, clock) as first:
        await first.reserve(INK, PRICE, CAP)
    async with opener(tmp_path, clock) as second:
        await second.ping()
        assert await second.spent(TODAY) == PRICE


def call_in_a_process(folder: Path, count: int) -> None:
    async def calls() -> None:
        async with LEDGERS["sqlite"](folder, ManualClock(datetime(2026, 11, 21, tzinfo=UTC))) as ledger:
            for number in range(count):
                booking = await ledger.reserve(by(ANNA), PRICE, CAP)
                if number % 2:
                    await ledger.settle(booking, Usage(1, 1, 1, PRICE), drawn=True)

    asyncio.run(calls())


async def test_two_processes_meet_a_customer_at_once(tmp_path: Path, clock: ManualClock) -> None:
    """Over a file that neither has seen; what is erased afterwards leaves no byte of the name in it."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in [pool.submit(call_in_a_process, tmp_path, 40) for _ in range(2)]:
            done.result(60)
    async with LEDGERS["sqlite"](tmp_path, clock) as ledger:
        rows = await ledger.report_by_customer(TODAY, TODAY)
        assert [(each.customer, each.calls, each.pictures) for each in rows] == [(str(ANNA), 80, 40)]
        await ledger.reserve(by(ANNA), PRICE, CAP)  # stands in the log only
        assert await ledger.forget(ANNA) == 81
        left = {file.name: file.read_bytes() for file in (tmp_path / "state").iterdir()}
        assert any(b"ink_wash" in content for content in left.values())
        assert [name for name, content in left.items() if b"anna" in content] == []


async def test_an_erasure_that_was_cut_off_before_the_log_went_can_be_run_again(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with LEDGERS["sqlite"](tmp_path, clock) as ledger:
        await ledger.reserve(by(ANNA), PRICE, CAP)
        file = tmp_path / "state" / "spend.sqlite"
        with closing(sqlite3.connect(file)) as other:  # what the first run did before it was killed
            other.execute("UPDATE booking SET owner = ''")
            other.commit()
        log = file.with_name("spend.sqlite-wal")
        assert b"anna" in log.read_bytes()
        assert await ledger.forget(ANNA) == 0
        assert b"anna" not in file.read_bytes() + log.read_bytes()


async def test_erasures_at_once_wait_for_each_other(tmp_path: Path, clock: ManualClock) -> None:
    """Each empties the log; SQLite refuses the second at once, without the wait that a write gets."""
    file = tmp_path / "spend.sqlite"
    ledgers = [SqliteLedger(file, clock) for _ in range(6)]
    for _ in range(20):
        await ledgers[0].reserve(by(ANNA), PRICE, CAP)
        counts = await asyncio.gather(*(ledger.forget(ANNA) for ledger in ledgers))
        assert sum(counts) == 1
    for ledger in ledgers:
        await ledger.aclose()


async def test_an_erasure_tells_of_a_log_that_a_reader_keeps(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / "spend.sqlite"
    log = file.with_name("spend.sqlite-wal")
    ledger = SqliteLedger(file, clock, busy_timeout=0.1)
    await ledger.reserve(by(ANNA), PRICE, CAP)
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT owner FROM booking").fetchall()
        with pytest.raises(StoreUnavailable, match="-wal may still have it") as caught:
            await ledger.forget(ANNA)
        assert (caught.value.retryable, b"anna" in log.read_bytes()) == (True, True)
    assert await ledger.forget(ANNA) == 0
    assert b"anna" not in file.read_bytes() + log.read_bytes()
    await ledger.aclose()


async def test_a_name_costs_no_round_trip(tmp_path: Path, clock: ManualClock) -> None:
    with emulator_thread() as emulator:
        async with firestore(emulator.address, tmp_path, clock) as ledger:
            for purchase in (INK, by(ANNA)):
                emulator.counts.clear()
                await ledger.settle(await ledger.reserve(purchase, PRICE, CAP), Usage(1, 1, 1, PRICE), drawn=True)
                assert emulator.counts == {"BatchGetDocuments": 2, "Commit": 2}


async def test_a_file_of_an_older_version_gets_its_columns_and_keeps_its_bookings(
    tmp_path: Path, clock: ManualClock
) -> None:
    path = tmp_path / "state" / "spend.sqlite"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as old:
        old.executescript(
            "CREATE TABLE booking (id TEXT PRIMARY KEY, day TEXT NOT NULL, model TEXT NOT NULL,"
            " nanodollars INTEGER NOT NULL, open INTEGER NOT NULL, input_tokens INTEGER NOT NULL DEFAULT 0,"
            " output_tokens INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
        )
        insert = "INSERT INTO booking (id, day, model, nanodollars, open) VALUES (?, ?, ?, ?, 0)"
        old.execute(insert, ("old", TODAY.isoformat(), MODEL, 5))
        old.commit()
        async with LEDGERS["sqlite"](tmp_path, clock) as ledger:
            await ledger.settle(await ledger.reserve(by(ANNA), PRICE, CAP), Usage(1, 0, 1120, PRICE), drawn=True)
            old.execute(insert, ("still running", TODAY.isoformat(), MODEL, 7))
            old.commit()
            rows = await ledger.report_by_customer(TODAY, TODAY)
    assert [(each.style, each.customer, each.calls, each.pictures) for each in rows] == [
        ("", "", 2, 2),
        ("ink_wash", "customer:anna_1", 1, 1),
    ]
