"""Queries drawn by chance find the same in our emulator as in Google's, in the same order, or are refused alike."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import And, BaseFilter, FieldFilter, Or
from google.cloud.firestore_v1.vector import Vector

FIELDS = ("a", "b.c", "__name__")
OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "in", "not-in", "array_contains", "array_contains_any")
VALUES: tuple[Any, ...] = (
    *(None, True, False, float("nan"), -1, 0, 1, 1.5, 2**40, "", "a", "é", b"\x00", b"a"),
    *(datetime(2026, 1, 2, tzinfo=UTC), firestore.GeoPoint(1, 2), [1, "a"], ["a"], [], {"x": 1}, {"x": {"y": 2}}, {}),
    *(Vector([1.0, 2.0]), Vector([3.0])),
)
IDS = (*"abcdefghij", "__id7__", "__id12__", "é", "10", "9")
QUERIES = 250
ANYBODY = AnonymousCredentials()  # type: ignore[no-untyped-call]


def fill(client: firestore.Client, collection: str, rng: random.Random) -> None:
    for id_ in IDS:
        row = {"a": rng.choice(VALUES), "b": {"c": rng.choice(VALUES)}}
        if rng.random() < 0.3:
            del row["a"]
        client.document(f"{collection}/{id_}").set(row)
        client.document(f"{collection}/{id_}/{collection}/deep").set(row)


def condition(client: firestore.Client, collection: str, rng: random.Random) -> FieldFilter:
    path = rng.choice(FIELDS)
    operator = rng.choice(OPERATORS if path != "__name__" else OPERATORS[:8])
    values = VALUES if operator in ("==", "!=") else VALUES[1:3] + VALUES[4:]  # None and NaN are (un)equal only

    def value() -> Any:
        return client.document(f"{collection}/{rng.choice(IDS)}") if path == "__name__" else rng.choice(values)

    several = operator in ("in", "not-in", "array_contains_any")
    return FieldFilter(path, operator, [value() for _ in range(3)] if several else value())


def query(client: firestore.Client, collection: str, rng: random.Random) -> Any:
    made: Any = client.collection_group(collection) if rng.random() < 0.2 else client.collection(collection)
    conditions: list[BaseFilter] = [condition(client, collection, rng) for _ in range(rng.choice((0, 1, 1, 2)))]
    if len(conditions) == 2 and rng.random() < 0.4:
        made = made.where(filter=rng.choice((And, Or))(conditions))
    else:
        for each in conditions:
            made = made.where(filter=each)
    if rng.random() < 0.5:
        path = rng.choice(FIELDS)  # Google's emulator has no index by which names could descend
        made = made.order_by(path, direction=rng.choice(("ASCENDING", "DESCENDING")[: 1 + (path != "__name__")]))
    if rng.random() < 0.3:
        made = made.limit(rng.randrange(1, 5))
    return made.offset(rng.randrange(3)) if rng.random() < 0.2 else made


def outcome(made: Any) -> object:
    try:
        return [each.reference.path.partition("/")[2] for each in made.stream(retry=None)]
    except (exceptions.InvalidArgument, exceptions.FailedPrecondition):
        return "refused"


@pytest.fixture
def clients(
    optimistic_firestore: str, google_firestore: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[firestore.Client]]:
    made = []
    for address in (optimistic_firestore, google_firestore):
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
        made.append(firestore.Client(project=f"p-{uuid.uuid4().hex[:12]}", credentials=ANYBODY))
    yield made
    for each in made:
        each._firestore_api.transport.close()  # noqa: SLF001  # its own close() leaves the channel open


@pytest.mark.parametrize("seed", range(3))
def test_queries_find_the_same(clients: list[firestore.Client], seed: int) -> None:
    collection = f"c{seed}"
    for client in clients:
        fill(client, collection, random.Random(seed))
    for number in range(QUERIES):
        made = [query(client, collection, random.Random(f"{seed} {number}")) for client in clients]
        ours, googles = map(outcome, made)
        assert ours == googles, f"query {number} of seed {seed}"
