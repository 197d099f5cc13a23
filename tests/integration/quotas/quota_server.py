"""Run as a process by test_quota_exact: many requests at once, each with its fate, against one store.

``python -m tests.integration.quotas.quota_server STORE LOG SEED COUNT DIES``.
STORE: ``sqlite:PATH``, ``firestore:ADDRESS``. COUNT: of both processes together. When about DIES (if not 0) pictures
are drawn, it is killed. Each request writes ``begin N OWNER`` and, at its end, ``ok`` (charged), ``no`` (refused) or
``back`` (failed or cancelled) to LOG, one write a line, so that a kill loses no line that was written.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path

from perkie_cli.domain.errors import QuotaExceeded
from perkie_cli.domain.events import Event, StoreFailed
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.quotas.limits import Charge, QuotaLimits
from perkie_cli.ports import DocumentStore
from perkie_cli.services.quotas.quotas import QuotaRules, Quotas
from perkie_cli.stores.memory import MemoryDocuments
from perkie_cli.system.clock import SystemClock

FATES = (
    "drawn", "fails", "cancelled while it reserves", "cancelled while it commits", "cancelled while it gives back",
)  # fmt: skip
SHARES = (70, 15, 5, 5, 5)  # %
LEASE = 3600.0  # longer than the test: a lease that is back was given back


def limits(count: int) -> QuotaLimits:
    """Low enough to be reached by so many requests."""
    return QuotaLimits(customer=count // 250, session=count // 500, ip_ceiling=count // 66)


def charges(count: int) -> list[Charge]:
    """100 owners: 60 customers, and 40 sessions behind 4 addresses."""
    per_day = limits(count)
    customers = [per_day.charge(Owner.customer(f"c{n}")) for n in range(60)]
    sessions = [per_day.charge(Owner.session(f"s{n}"), Owner.address(f"203.0.113.{n % 4}")) for n in range(40)]
    return customers + sessions


def open_store(where: str) -> DocumentStore:
    kind, _, place = where.partition(":")
    if kind == "sqlite":
        from perkie_cli.stores.sqlite.documents import SqliteDocuments

        return SqliteDocuments(Path(place), SystemClock(), busy_timeout=60)
    from perkie_cli.stores.google.documents import FirestoreDocuments
    from perkie_cli.stores.google.firestore_connection import FirestoreConnection

    connection = FirestoreConnection("perkie", "(default)", timedelta(seconds=60), {"FIRESTORE_EMULATOR_HOST": place})
    return FirestoreDocuments(connection, "exact_", SystemClock(), random.Random())


class FailLoudly:
    """A degraded store would make the counts mean nothing."""

    def emit(self, event: Event) -> None:
        assert not isinstance(event, StoreFailed), event


async def main(where: str, log: str, seed: str, count: str, dies: str) -> None:
    dice = random.Random(int(seed))
    documents = open_store(where)
    quotas = Quotas(documents, MemoryDocuments(), QuotaRules("deny"), SystemClock(), FailLoudly())
    owners = charges(int(count))
    drawn: list[int] = []
    lines = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def request(number: int, charge: Charge, fate: str) -> None:
        os.write(lines, f"begin {number} {charge.owner}\n".encode())
        outcome = "back"
        try:
            cancel_soon(fate == "cancelled while it reserves")
            async with quotas.reserve(charge, LEASE) as reservation:
                await asyncio.sleep(dice.uniform(0, 0.05))
                if fate in ("fails", "cancelled while it gives back"):
                    cancel_soon(fate != "fails")
                    return
                try:
                    cancel_soon(fate == "cancelled while it commits")
                    await reservation.commit()
                finally:
                    outcome = "ok" if reservation.committed else "back"
                    drawn.append(number)
                    if len(drawn) == int(dies):
                        threading.Timer(dice.uniform(0, 0.005), os.kill, (os.getpid(), signal.SIGKILL)).start()
        except QuotaExceeded:
            outcome = "no"
        finally:
            os.write(lines, f"{outcome} {number} {charge.owner}\n".encode())

    def cancel_soon(really: bool) -> None:
        """Within some turns of the loop: a step that waits for its store is met in the middle."""
        task = asyncio.current_task()
        assert task is not None
        if really:
            asyncio.get_running_loop().call_later(dice.uniform(0, 0.01), task.cancel)

    tasks = [
        asyncio.ensure_future(request(number, dice.choice(owners), dice.choices(FATES, SHARES)[0]))
        for number in range(int(count) // 2)
    ]
    for task in dice.sample(tasks, len(tasks) // 20):
        asyncio.get_running_loop().call_later(dice.uniform(0, 1.0), task.cancel)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    await documents.aclose()
    strange = [each for each in ended if each is not None and not isinstance(each, asyncio.CancelledError)]
    print("ended", strange[:3], flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
