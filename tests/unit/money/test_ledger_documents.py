from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perkie_cli.domain.errors import DailyCapReached
from perkie_cli.domain.money.report import grouped, total
from perkie_cli.domain.money.spend import NANO, Purchase, Usage
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from perkie_cli.ports import Document, DocumentRef, SpendLedger
from perkie_cli.stores.ledger_documents import COLLECTION, SHARDS, DocumentLedger
from perkie_cli.stores.memory import MemoryDocuments
from perkie_cli.stores.sqlite.ledger import SqliteLedger
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


ANNA, BO, VISITOR = Owner.customer("anna_1"), Owner.customer("bo"), Owner.session("anna_1")
OWNERS = (ANNA, BO, VISITOR, ANONYMOUS)
CALL = st.tuples(st.sampled_from(OWNERS), st.sampled_from(["ink_wash", "van_gogh"]))
STEPS = st.lists(st.one_of(CALL, st.sampled_from((ANNA, BO, VISITOR)), st.booleans()), max_size=25)


@settings(max_examples=25)
@given(STEPS)
def test_whatever_happens_the_parts_are_the_whole_and_both_ledgers_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[object]
) -> None:
    """A pair is a call, an owner alone is erased, True settles the oldest open call with a picture, False without."""

    async def after(ledger: SpendLedger) -> dict[tuple[str, ...], object]:
        opened: list[str] = []
        day = ManualClock().now().date()
        for step in steps:
            match step:
                case (Owner() as owner, str(style)):
                    opened.append(await ledger.reserve(Purchase("m", style, owner), PRICE, Decimal(1)))
                case Owner():
                    await ledger.forget(step)
                case bool() if opened:
                    await ledger.settle(opened.pop(0), Usage(1, 3, 4, PRICE / 2), drawn=step)
            rows = await ledger.report_by_customer(day, day)
            assert total(rows) == total(await ledger.report(day, day))
            for owner in (ANNA, BO, VISITOR):
                own = [row for row in rows if row.customer == str(owner)]
                assert total(own) == total(await ledger.report_by_customer(day, day, owner))
                assert step != owner or not own
        return dict(grouped(rows, ["customer", "style"])) if steps else {}

    async def both() -> None:
        file = SqliteLedger(tmp_path_factory.mktemp("ledger") / "spend.sqlite", ManualClock())
        try:
            documents = DocumentLedger(MemoryDocuments(), ManualClock(), random.Random(1))
            assert await after(file) == await after(documents)
        finally:
            await file.aclose()

    asyncio.run(both())


async def test_an_erasure_leaves_no_name_in_any_document() -> None:
    documents = MemoryDocuments()
    ledger = DocumentLedger(documents, ManualClock(), random.Random(1))
    caps = (Decimal(1000), PRICE * 2)  # alone in a shard, and among all of them
    under_way = [await ledger.reserve(Purchase("m", "ink_wash", ANNA), PRICE, cap) for cap in caps]
    assert str(ANNA) in str([each async for each in documents.scan(COLLECTION)])
    assert await ledger.forget(ANNA) == 2
    await ledger.settle(under_way[0], Usage(1, 1, 1, PRICE), drawn=True)
    left = [each async for each in documents.scan(COLLECTION)]
    assert left
    assert str(ANNA) not in str(left)


class Busy(MemoryDocuments):
    """Something else happens just after documents were scanned or read for the first time."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile

    async def scan(self, collection: str, prefix: str = "") -> AsyncIterator[tuple[str, Document]]:
        async for each in super().scan(collection, prefix):
            yield each
        await self._once()

    async def read(self, refs: Sequence[DocumentRef]) -> Sequence[Document | None]:
        found = await super().read(refs)
        await self._once()
        return found

    async def _once(self) -> None:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()


@pytest.mark.parametrize("ahead", [-1, 0, 1])
async def test_a_customer_s_first_call_amid_its_erasure_is_erased_too(ahead: int) -> None:
    """Also one that another machine's clock sees on the day before or after."""

    async def call() -> object:
        there = ManualClock(clock.now() + timedelta(days=ahead))
        other = DocumentLedger(documents, there, random.Random(1))
        return await other.reserve(Purchase("m", "ink_wash", ANNA), PRICE, Decimal(1))

    clock, documents = ManualClock(), Busy(call)
    assert await DocumentLedger(documents, clock, random.Random(1)).forget(ANNA) == 1


@pytest.mark.parametrize("what", ["settled", "erased", "called"])
async def test_a_report_amid_calls_never_gives_a_customer_more_than_there_is(what: str) -> None:
    async def meanwhile() -> None:
        match what:
            case "settled":
                await ledger.settle(booking, Usage(1, 1, 1, PRICE / 3), drawn=True)
            case "erased":
                await ledger.forget(ANNA)
            case "called":
                await ledger.reserve(Purchase("m", "ink_wash", BO), PRICE, Decimal(1))

    clock = ManualClock()
    ledger = DocumentLedger(Busy(meanwhile), clock, random.Random(1))
    booking = await ledger.reserve(Purchase("m", "ink_wash", ANNA), PRICE, Decimal(1))
    day = clock.now().date()
    rows = await ledger.report_by_customer(day, day)
    assert total(rows) == total(await ledger.report(day, day))
    named = {each.customer: each for each in rows}
    assert set(named) == {"settled": {str(ANNA)}, "erased": {""}, "called": {str(ANNA), ""}}[what]
    assert all(each.usd > 0 and each.possible_calls >= 0 for each in rows)
