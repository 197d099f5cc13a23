"""Quota transactions a second, 16 workers, over SQLite and the emulated Firestore, against bare transactions there.

A reservation is two transactions: the reserve and the commit. The bare peer reads one document, adds one and writes it,
in SQLite from as many threads with a connection each, in Firestore with Google's own client and its own retry.
"""

import argparse
import asyncio
import json
import os
import random
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from perkie_cli.domain.events import NoEvents
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.quotas.limits import Charge, QuotaLimits
from perkie_cli.ports import DocumentStore
from perkie_cli.services.quotas.quotas import QuotaRules, Quotas
from perkie_cli.stores.google.documents import FirestoreDocuments
from perkie_cli.stores.google.firestore_connection import FirestoreConnection
from perkie_cli.stores.memory import MemoryDocuments
from perkie_cli.stores.sqlite.documents import SqliteDocuments
from perkie_cli.system.clock import SystemClock
from tests.benchmarks.harness import Goal, Report, interleaved, medians, python

WORKERS, TARGET = 16, 0.5
LIMITS = QuotaLimits(customer=10**9)


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="quota")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sqlite", type=int, default=3200, help="transactions a round")
    parser.add_argument("--firestore", type=int, default=320, help="transactions a round")
    options = parser.parse_args(argv)
    report = Report("quota")
    with tempfile.TemporaryDirectory() as folder, _emulator() as address:
        for owners, label in ((1000, "many owners"), (1, "one hot owner")):
            place = Path(folder, f"{owners}.sqlite")
            _compare(report, f"SQLite, {label}", options.rounds, options.sqlite, owners, _sqlite_cases(place, owners))
            cases = _firestore_cases(address, owners)
            _compare(report, f"Firestore, {label}", options.rounds, options.firestore, owners, cases)
    return report


Case = Callable[[int], None]


def _compare(
    report: Report, name: str, rounds: int, count: int, owners: int, cases: tuple[Case, Case, Callable[[], int]]
) -> None:
    ours, bare, used = cases
    runs = {"ours": lambda: ours(count), "bare": lambda: bare(count)}
    times = medians(interleaved(runs, rounds))
    drawn = (rounds + 1) * (count // 2)  # one round warms up
    assert used() == drawn, f"{name}: {used()} used of {drawn} drawn"
    rates = {which: count / seconds for which, seconds in times.items()}
    report.rows.append(
        {
            "store": name,
            "owners": owners,
            "ours tx/s": round(rates["ours"]),
            "bare tx/s": round(rates["bare"]),
            "ratio": rates["ours"] / rates["bare"],
            "used = drawn": drawn,
        }
    )
    report.goals.append(Goal(name, rates["ours"] / rates["bare"], TARGET, at_least=True))


# ------------------------------------------------------------------ ours


def _charges(owners: int) -> list[Charge]:
    return [LIMITS.charge(Owner.customer(f"c{number}")) for number in range(owners)]


async def _draw(documents: DocumentStore, charges: Sequence[Charge], count: int) -> None:
    quotas = Quotas(documents, MemoryDocuments(), QuotaRules("deny"), SystemClock(), NoEvents())

    async def worker(number: int) -> None:
        dice = random.Random(number)
        for _ in range(count // 2 // WORKERS):
            async with quotas.reserve(dice.choice(charges), 60) as reservation:
                await reservation.commit()

    await asyncio.gather(*(worker(number) for number in range(WORKERS)))


async def _used(documents: DocumentStore) -> int:
    return sum([document["used"] async for _, document in documents.scan("quota")])


# ------------------------------------------------------------------ SQLite


def _sqlite_cases(place: Path, owners: int) -> tuple[Case, Case, Callable[[], int]]:
    charges = _charges(owners)

    async def with_store(work: Callable[[DocumentStore], Awaitable[object]]) -> object:
        documents = SqliteDocuments(place, SystemClock(), busy_timeout=60)
        try:
            return await work(documents)
        finally:
            await documents.aclose()

    def ours(count: int) -> None:
        asyncio.run(with_store(lambda documents: _draw(documents, charges, count)))

    def bare(count: int) -> None:
        threads = [
            threading.Thread(target=_bare_sqlite, args=(place, owners, count // WORKERS, n)) for n in range(WORKERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return ours, bare, lambda: int(str(asyncio.run(with_store(_used))))


def _bare_sqlite(place: Path, owners: int, count: int, seed: int) -> None:
    connection = sqlite3.connect(place, timeout=60, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS bare (id TEXT PRIMARY KEY, body TEXT)")
    dice = random.Random(seed)
    for _ in range(count):
        id_ = f"2026-11-21_customer:c{dice.randrange(owners)}"
        connection.execute("BEGIN IMMEDIATE")
        row = connection.execute("SELECT body FROM bare WHERE id = ?", (id_,)).fetchone()
        body = json.dumps({"used": json.loads(row[0])["used"] + 1 if row else 1})
        connection.execute("INSERT OR REPLACE INTO bare VALUES (?, ?)", (id_, body))
        connection.execute("COMMIT")
    connection.close()


# ------------------------------------------------------------------ Firestore


@contextmanager
def _emulator() -> Iterator[str]:
    process = subprocess.Popen(
        python("-m", "perkie_cli", "emulate", "firestore", "--port", "0", "--quiet"), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip().partition("=")[2]
    finally:
        process.terminate()
        process.wait()


def _firestore_cases(address: str, owners: int) -> tuple[Case, Case, Callable[[], int]]:
    charges = _charges(owners)

    async def with_store(work: Callable[[DocumentStore], Awaitable[object]]) -> object:
        environ = {"FIRESTORE_EMULATOR_HOST": address}
        connection = FirestoreConnection("perkie", "(default)", timedelta(seconds=60), environ)
        try:
            return await work(FirestoreDocuments(connection, f"o{owners}_", SystemClock(), random.Random()))
        finally:
            await connection.aclose()

    def ours(count: int) -> None:
        asyncio.run(with_store(lambda documents: _draw(documents, charges, count)))

    return ours, lambda count: _bare_firestore(address, owners, count), lambda: int(str(asyncio.run(with_store(_used))))


def _bare_firestore(address: str, owners: int, count: int) -> None:
    from google.api_core.exceptions import Aborted
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import firestore

    os.environ["FIRESTORE_EMULATOR_HOST"] = address

    async def worker(client: firestore.AsyncClient, seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(count // WORKERS):
            ref = client.document(f"bare{owners}/{dice.randrange(owners)}")

            @firestore.async_transactional
            async def add(transaction: firestore.AsyncTransaction, ref: firestore.AsyncDocumentReference = ref) -> None:
                snapshot = await ref.get(transaction=transaction)
                transaction.set(ref, {"used": (snapshot.get("used") if snapshot.exists else 0) + 1})

            done = False
            while not done:
                try:
                    await add(client.transaction())
                    done = True
                except (ValueError, Aborted):
                    await asyncio.sleep(dice.uniform(0, 0.05))  # its own attempts are used up

    async def main() -> None:
        client = firestore.AsyncClient(project="perkie", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
        await asyncio.gather(*(worker(client, number) for number in range(WORKERS)))
        await client._firestore_api.transport.close()  # noqa: SLF001  # its own close() leaves the channel open

    asyncio.run(main())
