"""Google's own clients over our emulator in both modes, and over Google's: they must not tell a difference."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter, Or
from google.cloud.firestore_v1.query_profile import ExplainOptions
from google.cloud.firestore_v1.types import ListenResponse

FIRESTORES = ["optimistic", "pessimistic", "google"]


@pytest.fixture(params=FIRESTORES)
async def client(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[firestore.AsyncClient]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", request.getfixturevalue(f"{request.param}_firestore"))
    made = firestore.AsyncClient(project=f"p-{uuid.uuid4().hex[:12]}", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    yield made
    await made._firestore_api.transport.close()  # noqa: SLF001  # its own close() leaves the channel open


@pytest.fixture
def things(client: firestore.AsyncClient) -> firestore.AsyncCollectionReference:
    return client.collection("things")


async def test_preconditions(client: firestore.AsyncClient, things: firestore.AsyncCollectionReference) -> None:
    ref = things.document("a")
    with pytest.raises(exceptions.NotFound):
        await ref.update({"n": 1})
    created = await ref.create({"n": 1})
    with pytest.raises(exceptions.AlreadyExists):
        await ref.create({"n": 2})
    await ref.update({"n": 3}, option=client.write_option(last_update_time=created.update_time))
    with pytest.raises(exceptions.FailedPrecondition):
        await ref.update({"n": 4}, option=client.write_option(last_update_time=created.update_time))
    assert (await ref.get()).to_dict() == {"n": 3}
    with pytest.raises(exceptions.FailedPrecondition):
        await ref.delete(option=client.write_option(last_update_time=created.update_time))


async def test_a_batch_is_all_or_nothing(
    client: firestore.AsyncClient, things: firestore.AsyncCollectionReference
) -> None:
    batch = client.batch()
    batch.set(things.document("a"), {"n": 1})
    batch.update(things.document("missing"), {"n": 1})
    with pytest.raises(exceptions.NotFound):
        await batch.commit()
    assert not (await things.document("a").get()).exists


async def test_writes_of_a_batch_build_on_each_other(
    client: firestore.AsyncClient, things: firestore.AsyncCollectionReference
) -> None:
    batch = client.batch()
    batch.create(things.document("a"), {"n": 1})
    batch.update(things.document("a"), {"m": firestore.Increment(2)})
    await batch.commit()
    assert (await things.document("a").get()).to_dict() == {"n": 1, "m": 2}


async def test_transforms(things: firestore.AsyncCollectionReference) -> None:
    ref = things.document("a")
    await ref.set({"n": 1, "tags": ["a"], "deep": {"x.y": 1, "gone": 2}, "big": 2**63 - 1})
    await ref.update(
        {
            "n": firestore.Increment(2.5),
            "tags": firestore.ArrayUnion(["a", "b"]),
            "deep.`x.y`": firestore.Maximum(7),
            "deep.gone": firestore.DELETE_FIELD,
            "at": firestore.SERVER_TIMESTAMP,
            "big": firestore.Increment(5),
            "new": firestore.Increment(4),
        }
    )
    snapshot = await ref.get()
    found = snapshot.to_dict()
    assert found is not None
    assert abs(found.pop("at") - snapshot.update_time) < timedelta(seconds=1)
    assert found == {"n": 3.5, "tags": ["a", "b"], "deep": {"x.y": 7}, "big": 2**63 - 1, "new": 4}
    await ref.update({"tags": firestore.ArrayRemove(["a"])})
    assert (await ref.get(["tags"])).to_dict() == {"tags": ["b"]}


async def test_merge_keeps_what_is_not_named(things: firestore.AsyncCollectionReference) -> None:
    await things.document("a").set({"keep": 1, "map": {"one": 1, "two": 2}})
    await things.document("a").set({"map": {"two": 3}}, merge=True)
    assert (await things.document("a").get()).to_dict() == {"keep": 1, "map": {"one": 1, "two": 3}}


async def test_queries(client: firestore.AsyncClient, things: firestore.AsyncCollectionReference) -> None:
    rows = {"a": 3, "b": 1, "c": 2.5, "d": "text", "e": None, "f": float("nan")}
    for id_, value in rows.items():
        await things.document(id_).set({"v": value, "tags": [id_, "all"], "even": id_ in "bdf"})
    await things.document("none").set({"other": 1})
    await things.document("a").collection("things").document("deep").set({"v": 9})

    async def ids(query: firestore.AsyncQuery) -> list[str]:
        return [snapshot.id async for snapshot in query.stream()]

    assert await ids(things.order_by("v")) == ["e", "f", "b", "c", "a", "d"]
    assert await ids(things.where(filter=FieldFilter("v", ">", 1))) == ["c", "a"]
    assert await ids(things.where(filter=FieldFilter("v", "!=", 1)).order_by("v")) == ["f", "c", "a", "d"]
    assert await ids(things.where(filter=FieldFilter("v", "in", [1, "text"]))) == ["b", "d"]
    assert await ids(things.where(filter=FieldFilter("tags", "array_contains_any", ["a", "c"]))) == ["a", "c"]
    assert await ids(things.where(filter=FieldFilter("v", "==", None))) == ["e"]
    either = Or([FieldFilter("v", "==", 3), FieldFilter("even", "==", True)])
    assert await ids(things.where(filter=either)) == ["a", "b", "d", "f"]
    ordered = things.order_by("v", direction=firestore.Query.DESCENDING)
    assert await ids(ordered.limit(2)) == ["d", "a"]
    assert await ids(ordered.start_after({"v": 3}).end_at({"v": 1})) == ["c", "b"]
    assert await ids(things.order_by("v").offset(4)) == ["a", "d"]
    assert await ids(client.collection_group("things").where(filter=FieldFilter("v", ">", 2.6))) == ["a", "deep"]
    positive = things.where(filter=FieldFilter("v", ">", 0)).count("n").sum("v", "s").avg("v", "m")  # type: ignore[arg-type]  # theirs says it of a name
    results = {each.alias: each.value for row in await positive.get() for each in row}
    assert results == {"n": 3, "s": 6.5, "m": pytest.approx(6.5 / 3)}


async def test_lists(client: firestore.AsyncClient, things: firestore.AsyncCollectionReference) -> None:
    for number in range(5):
        await things.document(f"{number}").set({})
    assert [each.id async for each in things.list_documents(page_size=2)] == ["0", "1", "2", "3", "4"]
    assert [each.id async for each in client.collections()] == ["things"]


async def test_what_only_has_something_below_it_is_listed_as_missing(
    client: firestore.AsyncClient, things: firestore.AsyncCollectionReference
) -> None:
    await things.document("there").set({})
    await things.document("gone").collection("below").document("deep").set({})
    assert [each.id async for each in things.list_documents()] == ["gone", "there"]  # Google's clients ask for both
    assert [each.id async for each in things.stream()] == ["there"]
    assert [each.id async for each in things.document("gone").collections()] == ["below"]


async def test_numeric_ids_come_first_and_in_the_order_of_numbers(things: firestore.AsyncCollectionReference) -> None:
    for id_ in ("9", "a", "__id12__", "__id7__"):
        await things.document(id_).set({})
    assert [each.id async for each in things.stream()] == ["__id7__", "__id12__", "9", "a"]


async def test_a_write_that_changes_nothing_keeps_the_update_time(things: firestore.AsyncCollectionReference) -> None:
    first = await things.document("a").set({"n": 1})
    again = await things.document("a").set({"n": 1})
    assert first.update_time == again.update_time == (await things.document("a").get()).update_time
    assert (await things.document("a").set({"n": 2})).update_time > first.update_time


async def test_a_transaction_that_was_overtaken_is_refused_or_made_to_wait(
    client: firestore.AsyncClient, things: firestore.AsyncCollectionReference
) -> None:
    """Whichever way, no update is lost."""
    ref = things.document("a")
    await ref.set({"n": 0})

    @firestore.async_transactional
    async def add(transaction: firestore.AsyncTransaction) -> None:
        snapshot = await ref.get(transaction=transaction)
        transaction.update(ref, {"n": snapshot.get("n") + 1})

    outcomes = await asyncio.gather(
        *(add(client.transaction(max_attempts=10)) for _ in range(3)), return_exceptions=True
    )
    assert (await ref.get()).get("n") == outcomes.count(None) > 0


async def test_a_read_only_transaction_reads(
    client: firestore.AsyncClient, things: firestore.AsyncCollectionReference
) -> None:
    await things.document("a").set({"n": 1})

    @firestore.async_transactional
    async def read(transaction: firestore.AsyncTransaction) -> object:
        return (await things.document("a").get(transaction=transaction)).get("n")

    assert await read(client.transaction(read_only=True)) == 1


async def test_a_read_only_transaction_sees_what_was_there_at_its_beginning(
    client: firestore.AsyncClient, things: firestore.AsyncCollectionReference
) -> None:
    await things.document("a").set({"n": 1})
    await things.document("b").set({"n": 1})

    @firestore.async_transactional
    async def read(transaction: firestore.AsyncTransaction) -> list[object]:
        first = await things.document("a").get(transaction=transaction)
        await things.document("b").set({"n": 2})
        return [first.get("n"), (await things.document("b").get(transaction=transaction)).get("n")]

    assert await read(client.transaction(read_only=True)) == [1, 1]


async def test_what_is_no_document_is_refused(things: firestore.AsyncCollectionReference) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        await things.document("__reserved__").set({"n": 1})
    with pytest.raises(exceptions.InvalidArgument):
        await things.document("large").set({"text": "x" * 1_100_000})


@pytest.fixture(params=FIRESTORES)
def blocking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[firestore.Client]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", request.getfixturevalue(f"{request.param}_firestore"))
    made = firestore.Client(project=f"p-{uuid.uuid4().hex[:12]}", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    yield made
    made._firestore_api.transport.close()  # noqa: SLF001  # its own close() leaves the channel open


def test_the_synchronous_client_and_its_bulk_writer(blocking: firestore.Client) -> None:
    writer = blocking.bulk_writer()
    for number in range(30):
        writer.set(blocking.document(f"many/{number:02}"), {"n": number})
    writer.close()  # type: ignore[no-untyped-call]
    assert [each.id for each in blocking.collection("many").stream()] == [f"{number:02}" for number in range(30)]


def test_the_synchronous_client_deletes_a_tree(blocking: firestore.Client) -> None:
    for number in range(12):
        blocking.document(f"tree/{number}").set({})
        blocking.document(f"tree/{number}/leaves/{number}").set({})
    blocking.document("tree2/stays").set({})
    assert blocking.recursive_delete(blocking.collection("tree"), chunk_size=5) > 0
    assert [each.id for each in blocking.collections()] == ["tree2"]


@pytest.mark.parametrize("method", ["PartitionQuery", "Write", "ExecutePipeline"])
def test_what_is_not_emulated_says_so(optimistic_firestore: str, method: str) -> None:
    with grpc.insecure_channel(optimistic_firestore) as channel:
        call = channel.unary_unary(f"/google.firestore.v1.Firestore/{method}")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", timeout=60)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert method in refused.value.details()


def test_the_past_and_explanations_are_refused_not_answered_wrongly(
    optimistic_firestore: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", optimistic_firestore)
    client = firestore.Client(project="past", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    with pytest.raises(exceptions.MethodNotImplemented, match="past"):
        client.document("a/b").get(read_time=datetime.now(UTC) - timedelta(minutes=1), retry=None)
    with pytest.raises(exceptions.MethodNotImplemented, match="Explaining"):
        list(client.collection("a").stream(explain_options=ExplainOptions(analyze=False), retry=None))


def test_a_listener_ends_with_the_reason(optimistic_firestore: str) -> None:
    with grpc.insecure_channel(optimistic_firestore) as channel:
        call = channel.stream_stream(
            "/google.firestore.v1.Firestore/Listen", response_deserializer=ListenResponse.deserialize
        )
        told = next(call(iter([b""]), timeout=60))
    assert told.target_change.target_change_type.name == "REMOVE"
    assert "not emulated" in told.target_change.cause.message
