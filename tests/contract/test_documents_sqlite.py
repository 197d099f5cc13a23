"""What holds of the SQLite documents only: files, locks, pruning, batches."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.ports import Document, DocumentRef
from perkie_cli.stores.sqlite.documents import PRUNE_EVERY, SqliteDocuments
from perkie_cli.stores.sqlite.thread import BATCH, PAUSE
from tests.clock import START, ManualClock

REF = DocumentRef("things", "a")


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[SqliteDocuments]:
    made = SqliteDocuments(tmp_path / "documents.sqlite", clock, busy_timeout=0.1)
    yield made
    await made.aclose()


async def put(store: SqliteDocuments, id_: str, expires: float = 4e9) -> None:
    await store.update([DocumentRef("things", id_)], lambda before: ([{"expires": expires}], None))


async def ids(store: SqliteDocuments) -> list[str]:
    return [id_ async for id_, _ in store.scan("things")]


async def test_what_nobody_needs_any_more_goes(store: SqliteDocuments, clock: ManualClock) -> None:
    await put(store, "old", (START + timedelta(hours=1)).timestamp())
    await put(store, "young", (START + timedelta(days=1)).timestamp())
    clock.advance(PRUNE_EVERY + 3600)
    await put(store, "new")
    assert await ids(store) == ["new", "young"]


async def test_a_locked_file_is_unavailable_and_then_not(
    store: SqliteDocuments, tmp_path: Path, clock: ManualClock
) -> None:
    await put(store, "a")
    other = sqlite3.connect(tmp_path / "documents.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await put(store, "b")
    assert await ids(store) == ["a"], "readers go on"
    other.execute("ROLLBACK")
    other.close()
    clock.advance(PAUSE)
    await put(store, "b")
    assert await ids(store) == ["a", "b"]


async def test_a_lock_is_waited_for_once_for_all(store: SqliteDocuments, tmp_path: Path, clock: ManualClock) -> None:
    """Whoever waits behind the first is refused with it, although the file is free by then; so is who comes soon."""
    await put(store, "a")
    other = sqlite3.connect(tmp_path / "documents.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = [asyncio.ensure_future(put(store, f"{number}")) for number in range(3 * BATCH)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    other.execute("ROLLBACK")
    other.close()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert len({id(outcome) for outcome in outcomes}) == len(outcomes), "each has an error of its own to raise"
    with pytest.raises(StoreUnavailable, match="locked"):
        await put(store, "soon")
    assert await ids(store) == ["a"], "readers go on"
    clock.advance(PAUSE)
    await put(store, "later")
    assert await ids(store) == ["a", "later"]


async def test_a_folder_that_is_deleted_meanwhile_is_told_of_and_then_made_anew(
    tmp_path: Path, clock: ManualClock
) -> None:
    store = SqliteDocuments(tmp_path / "state" / "documents.sqlite", clock)
    await put(store, "a")
    shutil.rmtree(tmp_path / "state")
    with pytest.raises(StoreUnavailable, match="removed or replaced while in use"):
        await put(store, "lost")
    await put(store, "b")
    assert await ids(store) == ["b"]
    await store.aclose()


async def test_changes_that_share_a_transaction_see_each_other(
    store: SqliteDocuments,
) -> None:
    async def add(number: int) -> int:
        def change(documents: Sequence[Document | None]) -> tuple[list[Document | None], int]:
            if number == 5:
                raise ValueError("refused")
            before = documents[0] or {"expires": 4e9, "sum": 0}
            return [{**before, "sum": before["sum"] + number}], before["sum"] + number

        return await store.update([REF], change)

    sums = await asyncio.gather(*(add(number) for number in range(10)), return_exceptions=True)
    assert [each for each in sums if isinstance(each, int)] == [0, 1, 3, 6, 10, 16, 23, 31, 40]
    assert await store.read([REF]) == [{"expires": 4e9, "sum": 40}]


async def test_a_document_that_is_made_and_removed_in_one_transaction_is_not_there(store: SqliteDocuments) -> None:
    await asyncio.gather(put(store, "x"), put(store, "a"), store.update([REF], lambda before: ([None], None)))
    assert await ids(store) == ["x"]


async def test_a_file_that_is_none_is_unavailable_until_it_is_gone(store: SqliteDocuments, tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable, match=r"documents\.sqlite"):
        await store.ping()
    path.unlink()
    await store.ping()


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").write_text("in the way")
    store = SqliteDocuments(tmp_path / "file" / "documents.sqlite", clock)
    with pytest.raises(StoreUnavailable):
        await store.ping()
    await store.aclose()


async def test_each_of_a_batch_has_its_own_outcome(store: SqliteDocuments) -> None:
    def refuse(before: object) -> tuple[list[None], None]:
        raise ValueError("refused")

    outcomes = await asyncio.gather(
        put(store, "a"), store.update([REF], refuse), put(store, "b"), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), ValueError, type(None)]
    assert await ids(store) == ["a", "b"]


async def test_a_cancelled_waiter_does_not_hold_up_the_others(store: SqliteDocuments) -> None:
    tasks = [asyncio.ensure_future(put(store, str(number))) for number in range(6)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert {"1", "3", "5"} <= set(await ids(store))


async def test_who_comes_before_the_end_is_served_and_who_comes_after_it_is_refused(store: SqliteDocuments) -> None:
    early = [asyncio.create_task(put(store, f"{number:03}")) for number in range(BATCH + 2)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.aclose())
    await asyncio.sleep(0)
    late = [asyncio.create_task(put(store, "late")) for _ in range(3)]
    async with asyncio.timeout(60):
        await asyncio.gather(*early, closing)
        ended = await asyncio.gather(*late, return_exceptions=True)
    assert [type(each) for each in ended] == [StoreUnavailable] * 3
    assert "is closed" in str(ended[0])
