"""Two processes, one of which is killed: what was counted is what was drawn, and everything held comes back."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from perkie_cli.domain.quotas.limits import utc_day
from perkie_cli.domain.quotas.tally import Tally
from perkie_cli.emulators.firestore.database import Mode
from perkie_cli.services.quotas.counters import CounterStore
from perkie_cli.system.clock import SystemClock
from tests.conftest import ROOT
from tests.firestores import emulator_thread
from tests.integration.quotas.quota_server import LEASE, charges, limits, open_store


@dataclass(frozen=True)
class Log:
    """What one process wrote."""

    begun: Counter[str]
    ok: Counter[str]
    ended: Counter[str]

    @classmethod
    def read(cls, path: Path) -> Log:
        rows = [line.split() for line in path.read_text().splitlines()]
        return cls(
            Counter(owner for kind, _, owner in rows if kind == "begin"),
            Counter(owner for kind, _, owner in rows if kind == "ok"),
            Counter(owner for kind, _, owner in rows if kind != "begin"),
        )

    @property
    def in_flight(self) -> Counter[str]:
        return self.begun - self.ended


@pytest.fixture(params=["sqlite", "firestore"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path / 'quotas.sqlite'}"
        return
    with emulator_thread(Mode.OPTIMISTIC) as emulator:
        yield f"firestore:{emulator.address}"


def run_two(where: str, folder: Path, count: int) -> tuple[Log, Log]:
    """The first process lives, the second is killed in the middle of its work."""
    logs = [folder / "lives.log", folder / "dies.log"]
    server = [sys.executable, "-m", "tests.integration.quotas.quota_server", where]
    lives, dies = [
        subprocess.Popen(
            [*server, str(log), str(seed), str(count), str(seed * count // 40)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, log in enumerate(logs)
    ]
    assert dies.wait(timeout=900) == -signal.SIGKILL
    output, _ = lives.communicate(timeout=900)
    assert output == "ended []\n"
    return Log.read(logs[0]), Log.read(logs[1])


async def tallies(where: str) -> dict[str, Tally]:
    store = open_store(where)
    found = {name: tally async for name, tally in CounterStore(store).scan(utc_day(SystemClock().now()))}
    await store.aclose()
    return found


def check(where: str, folder: Path, count: int) -> None:
    lives, dies = run_two(where, folder, count)
    found = asyncio.run(tallies(where))
    now = SystemClock().now().timestamp()
    assert dies.in_flight.total() > 0
    assert lives.in_flight.total() == 0
    successes = lives.ok + dies.ok
    for charge in charges(count):
        own, owner = found.get(charge.counters[0].name, Tally()), str(charge.owner)
        assert successes[owner] <= own.used <= successes[owner] + dies.in_flight[owner]
        assert own.used <= charge.counters[0].limit
        assert own.live(now) <= dies.in_flight[owner], "only the dead may still hold a place"
        assert own.live(now + LEASE + 60) == 0, "and only until its lease expires"
    ceilings = {name: tally for name, tally in found.items() if name.startswith("ceiling:")}
    sessions = sum(tally.used for name, tally in found.items() if name.startswith("session:"))
    assert sum(tally.used for tally in ceilings.values()) == sessions, "a session's use is one of its address's too"
    assert all(tally.used <= limits(count).ip_ceiling for tally in ceilings.values())
    print(
        f"{where}: {lives.begun.total() + dies.begun.total()} begun, {successes.total()} successes, "
        f"{sum(t.used for n, t in found.items() if n not in ceilings)} used, {dies.in_flight.total()} in flight"
    )


def test_what_is_used_is_what_was_drawn(where: str, tmp_path: Path) -> None:
    check(where, tmp_path, 2000 if where.startswith("sqlite") else 600)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_is_used_is_what_was_drawn_of_ten_thousand(where: str, tmp_path: Path) -> None:
    check(where, tmp_path, 10_000)
