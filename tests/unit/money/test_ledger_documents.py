from __future__ import annotations

import random
from decimal import Decimal

import pytest

from perkie_cli.domain.errors import DailyCapReached
from perkie_cli.domain.money.spend import NANO, Purchase, Usage
from perkie_cli.ports import DocumentRef
from perkie_cli.stores.ledger_documents import COLLECTION, SHARDS, DocumentLedger
from perkie_cli.stores.memory import MemoryDocuments
from tests.clock import ManualClock

PRICE = Decimal("0.03")


@pytest.mark.parametrize("seed", range(12))
async def test_wherever_calls_fall_the_cap_is_used_up_whole_and_never_passed(seed: int) -> None:
    ledger = DocumentLedger(MemoryDocuments(), ManualClock(), random.Random(seed))
    cap = PRICE * SHARDS * 2
    for _ in range(SHARDS * 2):
        await ledger.reserve(Purchase("m", "ink_wash"), PRICE, cap)
    for _ in range(SHARDS):
        with pytest.raises(DailyCapReached):
            await ledger.reserve(Purchase("m", "ink_wash"), PRICE, cap)


async def test_a_small_days_calls_are_spread() -> None:
    documents = MemoryDocuments()
    ledger = DocumentLedger(documents, ManualClock(), random.Random(1))
    for _ in range(40):
        await ledger.reserve(Purchase("m", "ink_wash"), PRICE, Decimal(1000))
    shards = [document async for _, document in documents.scan(COLLECTION)]
    assert len(shards) == SHARDS
    assert not any(shard["whole"] for shard in shards)


async def test_a_day_that_an_older_version_began_goes_on() -> None:
    documents, clock = MemoryDocuments(), ManualClock()
    day = clock.now().date()
    old = {"models": {"m": [2, 40, 10, 20]}, "open": {f"{day}_0_x": ["m", 7]}, "whole": False, "expires": 9e9}
    await documents.update([DocumentRef(COLLECTION, f"{day}_0")], lambda _: ([old], None))
    ledger = DocumentLedger(documents, clock, random.Random(1))
    await ledger.settle(f"{day}_0_x", Usage(1, 1, 1, Decimal(5) / NANO), drawn=True)
    for _ in range(SHARDS * 4):
        await ledger.reserve(Purchase("m", "ink_wash"), PRICE, Decimal(1000))
    rows = {each.style: each for each in await ledger.report(day, day)}
    assert (rows[""].calls, rows[""].pictures, rows[""].usd * NANO) == (2, 2, Decimal(45))
    assert (rows["ink_wash"].calls, rows["ink_wash"].pictures) == (SHARDS * 4, 0)
