"""What every spend ledger must do."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from perkie_cli.domain.errors import DailyCapReached
from perkie_cli.domain.money.spend import Purchase, Spend, Usage
from perkie_cli.ports import SpendLedger
from tests.clock import ManualClock
from tests.contract.spend_ledgers import LEDGERS, Opener, firestore

TODAY = date(2026, 11, 21)
CAP = Decimal(10)
PRICE = Decimal("0.0357")
MODEL = "gemini-nano-banana-2.1"
INK = Purchase(MODEL, "ink_wash")
VAN_GOGH = Purchase(MODEL, "van_gogh")
DEAR = Purchase("gemini-3-pro-image", "ink_wash")


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
            await ledger.settle(await ledger.reserve(INK, PRICE, CAP), Usage(1, 0, 1120, PRICE), drawn=True)
            old.execute(insert, ("still running", TODAY.isoformat(), MODEL, 7))
            old.commit()
            rows = await ledger.report(TODAY, TODAY)
    assert [(each.style, each.calls, each.pictures) for each in rows] == [("", 2, 2), ("ink_wash", 1, 1)]
