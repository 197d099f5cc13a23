"""Quotas over Firestore that fails: slow, contended, losing answers, down and back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial

import pytest
from google.cloud.firestore_v1.types import Document as StoredDocument

from perkie_cli.domain.errors import QuotaExceeded, StoreUnavailable
from perkie_cli.domain.events import NoEvents, QuotaUsed, StoreAnswered
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.quotas.limits import Charge, QuotaLimits
from perkie_cli.emulators.fault_plan import parse_faults
from perkie_cli.emulators.firestore.database import IDLE_LIFETIME, Database, Mode
from perkie_cli.emulators.firestore.plan import FirestoreFault
from perkie_cli.emulators.firestore.server import FirestoreEmulator
from perkie_cli.emulators.run import running
from perkie_cli.ports import Document, DocumentRef
from perkie_cli.services.quotas.quotas import PROBE_EVERY, QuotaRules, Quotas
from perkie_cli.stores.google.documents import FirestoreDocuments
from perkie_cli.stores.google.firestore_connection import FirestoreConnection
from perkie_cli.stores.memory import MemoryDocuments
from perkie_cli.system.clock import SystemClock
from tests.clock import ManualClock
from tests.events import Recorder

CHARGE = QuotaLimits(customer=20).charge(Owner.customer("42"))


@pytest.fixture
async def emulator() -> AsyncIterator[FirestoreEmulator]:
    made = FirestoreEmulator(Database(SystemClock()), SystemClock(), seed=3)
    async with running(made):
        yield made


def connection_to(address: str) -> FirestoreConnection:
    return FirestoreConnection("perkie", "(default)", timedelta(seconds=100), {"FIRESTORE_EMULATOR_HOST": address})


def documents_over(connection: FirestoreConnection) -> FirestoreDocuments:
    return FirestoreDocuments(connection, "t_", SystemClock(), random.Random(1))


def documents_at(address: str) -> FirestoreDocuments:
    return documents_over(connection_to(address))


def plan(*faults: dict[str, object]) -> Sequence[FirestoreFault]:
    return parse_faults({"fault": list(faults)}, FirestoreFault)


async def draw(quotas: Quotas, charge: Charge = CHARGE) -> None:
    async with quotas.reserve(charge, 60) as reservation:
        await reservation.commit()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "error", "method": "commit", "code": "ABORTED", "share": 0.4},
        {"kind": "error", "method": "read", "code": "ABORTED", "share": 0.4},
        {"kind": "error", "code": "UNAVAILABLE", "share": 0.15},
        {"kind": "lost", "method": "commit", "share": 0.25},
        {"kind": "lost", "method": "read", "share": 0.25},
        {"kind": "slow", "seconds": 0.02, "share": 0.5},
    ],
    ids=lambda fault: f"{fault.get('code', fault['kind'])}-{fault.get('method', 'any')}",
)
@pytest.mark.parametrize("mode", Mode)
async def test_faults_in_passing_neither_lose_nor_double_a_use(
    emulator: FirestoreEmulator, fault: dict[str, object], mode: Mode
) -> None:
    events = Recorder()
    emulator.database.mode = mode
    quotas = Quotas(documents_at(emulator.address), MemoryDocuments(), QuotaRules("deny"), SystemClock(), events)
    emulator.faults.set(plan(fault))
    outcomes = await asyncio.gather(*(draw(quotas) for _ in range(25)), return_exceptions=True)
    emulator.faults.set([])
    status = await quotas.status(CHARGE)
    assert status is not None
    assert outcomes.count(None) == 20
    assert all(isinstance(outcome, QuotaExceeded) for outcome in outcomes if outcome is not None)
    failures = [each for each in events.events if not isinstance(each, StoreAnswered | QuotaUsed)]
    assert (status.used, status.in_flight, failures) == (20, 0, [])


@pytest.mark.parametrize(
    ("fault", "patience"), [({"kind": "error"}, 100.0), ({"kind": "hang"}, 0.5)], ids=["down", "hanging"]
)
async def test_down_it_counts_in_memory_and_comes_back_without_a_restart(
    emulator: FirestoreEmulator, fault: dict[str, object], patience: float
) -> None:
    clock = ManualClock()
    connection = connection_to(emulator.address)
    quotas = Quotas(documents_over(connection), MemoryDocuments(), QuotaRules(), clock, NoEvents())
    await draw(quotas)
    emulator.faults.set(plan(fault))
    connection.timeout = patience  # only while there is nothing to wait for
    for _ in range(3):
        await draw(quotas)
    assert quotas.degraded
    emulator.faults.set([])
    connection.timeout = 100.0
    clock.advance(PROBE_EVERY)
    await draw(quotas)
    status = await quotas.status(CHARGE)
    assert status is not None
    assert (status.used, status.degraded) == (5, False)


async def test_a_server_that_is_gone_is_told_soon_and_found_again(emulator: FirestoreEmulator) -> None:
    documents = documents_at(emulator.address)
    await documents.ping()
    await emulator.aclose()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await documents.ping()
    port = int(emulator.address.rpartition(":")[2])
    async with running(FirestoreEmulator(Database(SystemClock()), SystemClock(), port=port)):
        await _until_it_answers(documents)


async def _until_it_answers(documents: FirestoreDocuments) -> None:
    async with asyncio.timeout(100):  # gRPC waits between its own attempts to connect
        while True:
            try:
                return await documents.ping()
            except StoreUnavailable:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("method", ["read", "commit"])
async def test_a_lost_answer_or_a_change_that_is_refused_leaves_no_locks(method: str) -> None:
    """In pessimistic mode, whose locks outlive a client that is gone by a minute."""
    database = Database(SystemClock(), Mode.PESSIMISTIC, lock_timeout=100)
    emulator = FirestoreEmulator(database, SystemClock())
    async with running(emulator):
        documents, ref = documents_at(emulator.address), DocumentRef("things", "a")
        emulator.faults.set(plan({"kind": "lost", "method": method, "first": 1}))
        await documents.update([ref], lambda before: ([{"expires": 1}], None))

        def refuse(before: object) -> tuple[list[None], None]:
            raise ValueError

        with pytest.raises(ValueError):
            await documents.update([ref], refuse)
        async with asyncio.timeout(50):  # half of what the locks would be waited for
            await documents.update([ref], lambda before: ([{"expires": 2}], None))


@pytest.mark.parametrize("was_there", [True, False])
async def test_an_update_begins_again_when_what_it_only_read_has_changed(
    emulator: FirestoreEmulator, was_there: bool
) -> None:
    documents = documents_at(emulator.address)
    read_only, mine = DocumentRef("things", "read"), DocumentRef("things", "mine")
    if was_there:
        await documents.update([read_only], lambda before: ([{"expires": 1}], None))
    calls = 0

    def copy(before: Sequence[Document | None]) -> tuple[list[Document | None], bool]:
        nonlocal calls
        calls += 1
        if calls == 1:  # somebody else, between our read and our commit
            name = "projects/perkie/databases/(default)/documents/t_things/read"
            if emulator.database.documents.pop(name, None) is None:
                emulator.database.documents[name] = StoredDocument.pb(StoredDocument(name=name))
        return [before[0], {"expires": 1}], before[0] is not None

    assert await documents.update([read_only, mine], copy) is not was_there
    assert calls == 2


async def test_a_transaction_whose_holder_died_is_given_up() -> None:
    clock = ManualClock()
    database = Database(clock, Mode.PESSIMISTIC)
    dead = database.begin()
    await database.read("projects/p/databases/d/documents/a/b", dead)
    clock.advance(IDLE_LIFETIME + 1)
    await database.read("projects/p/databases/d/documents/a/b", database.begin())


def _expiring(at: float, before: Sequence[Document | None]) -> tuple[Sequence[Document | None], None]:
    return [{"expires": at}], None


async def test_ttl_takes_documents_whose_time_is_over(emulator: FirestoreEmulator) -> None:
    documents = documents_at(emulator.address)
    for id_, expires in (("past", 1.0), ("future", 4_000_000_000.0)):
        await documents.update([DocumentRef("things", id_)], partial(_expiring, expires))
    assert emulator.database.expire("expire_at") == 1
    assert [id_ async for id_, _ in documents.scan("things")] == ["future"]
