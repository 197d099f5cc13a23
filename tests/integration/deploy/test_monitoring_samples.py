"""Counts of a revision from Cloud Monitoring, as servers write them there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from perkie_cli.domain.deploy.gate import Counts, Rule, Sample
from perkie_cli.emulators.monitoring.server import MonitoringEmulator
from perkie_cli.emulators.rpc_faults import RpcFault, RpcFaultKind
from perkie_cli.stores.google.revision_samples import MonitoringSamples
from perkie_cli.telemetry.cloud_monitoring import CloudMonitoring, connect_to_monitoring
from perkie_cli.telemetry.instance import Instance
from perkie_cli.telemetry.measures import Measures
from tests.clock import ManualClock
from tests.monitoring import monitoring_thread

ROUTE = "/api/v1/generate"
ERRORS = Rule("error_rate", "", 0.02)
SLOW = Rule("generation", "", 0.05, seconds=15.0, route=ROUTE)


@pytest.fixture
def world() -> Iterator[tuple[ManualClock, MonitoringEmulator]]:
    clock = ManualClock(datetime(2026, 11, 30, 12, tzinfo=UTC))
    with monitoring_thread(clock) as emulator:
        yield clock, emulator


class Server:
    """One instance of a revision; its metrics are written by the product's own code."""

    def __init__(self, clock: ManualClock, emulator: MonitoringEmulator, revision: str, task: str = "1") -> None:
        self.measures = Measures()
        instance = Instance("perkie-artistic", "europe-west4", task, revision)
        self._series = CloudMonitoring(
            self.measures, clock, lambda: connect_to_monitoring("p", emulator.address), lambda: instance
        )

    def answer(self, count: int, *, bad: int = 0, slow: int = 0) -> None:
        for number in range(count):
            status, seconds = ("503" if number < bad else "200"), (20.0 if number < slow else 0.5)
            self.measures.add("requests", "POST", ROUTE, status)
            self.measures.observe("request_seconds", ROUTE, value=seconds)
        self.measures.add("requests", "GET", "/health", "500")

    def flush(self) -> None:
        self._series.write(10.0)

    def close(self) -> None:
        self._series.close()


async def read(clock: ManualClock, emulator: MonitoringEmulator, began: datetime, revision: str = "new") -> Sample:
    samples = MonitoringSamples(clock, "p", {"MONITORING_EMULATOR_HOST": emulator.address})
    try:
        return await samples.since(revision, "", began, [ERRORS, SLOW])
    finally:
        await samples.aclose()


async def test_every_instance_of_a_revision_counts_from_the_step_on(
    world: tuple[ManualClock, MonitoringEmulator],
) -> None:
    clock, emulator = world
    first, other = Server(clock, emulator, "new", "1"), Server(clock, emulator, "old", "2")
    clock.advance(60)
    first.answer(100)  # its first failure, and so that series, comes within the step
    other.answer(7)
    first.flush()
    other.flush()
    clock.advance(30)
    began = clock.now()
    assert (await read(clock, emulator, began)).counts["error_rate"] == Counts(0, 0)
    second = Server(clock, emulator, "new", "3")  # starts within the step: it counts from its first answer
    clock.advance(60)
    first.answer(20, bad=1, slow=2)
    second.answer(10, bad=2)
    first.flush()
    second.flush()
    clock.advance(12)
    sample = await read(clock, emulator, began)
    assert sample.counts == {"error_rate": Counts(3, 30), "generation": Counts(2, 30)}
    assert sample.age == 12
    assert (await read(clock, emulator, began, "old")).counts["error_rate"] == Counts(0, 0)
    for each in (first, second, other):
        each.close()


async def test_a_revision_that_has_written_nothing_has_no_age(world: tuple[ManualClock, MonitoringEmulator]) -> None:
    clock, emulator = world
    assert await read(clock, emulator, clock.now()) == Sample({"error_rate": Counts(), "generation": Counts()}, None)


async def test_a_monitoring_that_fails_is_told_and_is_no_data(world: tuple[ManualClock, MonitoringEmulator]) -> None:
    clock, emulator = world
    emulator.faults.set((RpcFault(kind=RpcFaultKind.ERROR),))
    samples = MonitoringSamples(clock, "p", {"MONITORING_EMULATOR_HOST": emulator.address})
    assert await samples.since("new", "", clock.now(), [ERRORS]) == Sample()
    assert samples.trouble["new"].startswith("Cloud Monitoring: ServiceUnavailable: ")
    await samples.aclose()
