"""One suite over every implementation of ``ports.DocumentStore``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from perkie_cli.ports import Document, DocumentRef, DocumentStore
from tests.clock import ManualClock
from tests.contract.document_stores import Opener

A, B = DocumentRef("things", "2026-11-21_ip:2001:db8::"), DocumentRef("things", "2026-11-21_b")
LATER = 4_000_000_000.0


class Refused(Exception):
    """Raised within a change."""


def put(**values: object):  # type: ignore[no-untyped-def]  # a Change of any arity
    return lambda before: ([{"expires": LATER, **values}] * len(before), None)


def increment(before: Sequence[Document | None]) -> tuple[Sequence[Document | None], int]:
    numbers = [int(document["n"]) + 1 if document else 1 for document in before]
    return [{"expires": LATER, "n": number} for number in numbers], numbers[0]


async def test_documents_come_back_as_they_were_written(documents: DocumentStore) -> None:
    values = {"n": 3, "at": 1_764_000_000.123456, "list": ["a", "b"], "map": {"x y.z": 1.5, "é`": None}, "on": True}
    await documents.update([A], put(**values))
    assert await documents.read([B, A]) == [None, {"expires": LATER, **values}]


async def test_a_change_sees_what_is_there_and_its_result_comes_back(documents: DocumentStore) -> None:
    assert await documents.update([A, B], increment) == 1
    assert await documents.update([A], increment) == 2
    assert [document and document["n"] for document in await documents.read([A, B])] == [2, 1]


async def test_what_a_change_raises_leaves_everything_as_it_was(documents: DocumentStore) -> None:
    def refuse(before: Sequence[Document | None]) -> tuple[Sequence[Document | None], None]:
        raise Refused

    await documents.update([A], put(n=1))
    with pytest.raises(Refused):
        await documents.update([A, B], refuse)
    assert await documents.read([A, B]) == [{"expires": LATER, "n": 1}, None]
    await documents.update([A], increment)


async def test_none_deletes_and_an_absent_document_may_stay_absent(documents: DocumentStore) -> None:
    await documents.update([A], put(n=1))
    await documents.update([A, B], lambda before: ([None, None], None))
    assert await documents.read([A, B]) == [None, None]


async def test_a_scan_is_in_order_within_its_prefix_and_collection(documents: DocumentStore) -> None:
    ids = ["2026-11-20_z", "2026-11-21_a", "2026-11-21_b:1", "2026-11-21_é", "2026-11-22_a"]
    for id_ in reversed(ids):
        await documents.update([DocumentRef("things", id_)], put(id=id_))
    await documents.update([DocumentRef("others", "2026-11-21_c")], put())
    found = [(id_, document["id"]) async for id_, document in documents.scan("things", "2026-11-21_")]
    assert found == [(id_, id_) for id_ in ids[1:4]]
    assert [id_ async for id_, _ in documents.scan("things")] == ids
    assert [id_ async for id_, _ in documents.scan("nothing")] == []


async def test_many_writers_on_the_same_documents_lose_nothing(documents_opener: Opener, clock: ManualClock) -> None:
    stores = [documents_opener.open(clock) for _ in range(documents_opener.most)]

    async def work(number: int) -> None:
        order = [A, B] if number % 2 else [B, A]  # opposite orders must not deadlock
        for _ in range(5):
            await stores[number % len(stores)].update(order, increment)

    await asyncio.gather(*(work(number) for number in range(8)))
    assert [document and document["n"] for document in await stores[0].read([A, B])] == [40, 40]


async def test_a_cancelled_update_has_happened_or_not(documents: DocumentStore) -> None:
    for turns in range(6):
        task = asyncio.ensure_future(documents.update([A, B], increment))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    first, second = await documents.read([A, B])
    assert first == second


async def test_it_answers_a_ping(documents: DocumentStore) -> None:
    await documents.ping()
