"""What holds of the SQLite documents only: files, locks, pruning, batches."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.ports import DocumentRef
from perkie_cli.stores.sqlite.documents import PRUNE_EVERY, SqliteDocuments
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


async def test_a_locked_file_is_unavailable_and_then_not(store: SqliteDocuments, tmp_path: Path) -> None:
    await put(store, "a")
    other = sqlite3.connect(tmp_path / "documents.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await put(store, "b")
    assert await ids(store) == ["a"], "readers go on"
    other.execute("ROLLBACK")
    other.close()
    await put(store, "b")
    assert await ids(store) == ["a", "b"]


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
