from __future__ import annotations

import random
from decimal import Decimal

import pytest

from perkie_cli.domain.errors import DailyCapReached
from perkie_cli.stores.ledger_documents import COLLECTION, SHARDS, DocumentLedger
from perkie_cli.stores.memory import MemoryDocuments
from tests.clock import ManualClock

PRICE = Decimal("0.03")


@pytest.mark.parametrize("seed", range(12))
async def test_wherever_calls_fall_the_cap_is_used_up_whole_and_never_passed(seed: int) -> None:
    ledger = DocumentLedger(MemoryDocuments(), ManualClock(), random.Random(seed))
    cap = PRICE * SHARDS * 2
    for _ in range(SHARDS * 2):
        await ledger.reserve("m", PRICE, cap)
    for _ in range(SHARDS):
        with pytest.raises(DailyCapReached):
            await ledger.reserve("m", PRICE, cap)


async def test_a_small_days_calls_are_spread() -> None:
    documents = MemoryDocuments()
    ledger = DocumentLedger(documents, ManualClock(), random.Random(1))
    for _ in range(40):
        await ledger.reserve("m", PRICE, Decimal(1000))
    shards = [document async for _, document in documents.scan(COLLECTION)]
    assert len(shards) == SHARDS
    assert not any(shard["whole"] for shard in shards)
