"""What a server writes and what ``monitor apply`` describes are the same metrics: Google keeps one type for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from perkie_cli.config.levels.reading import read_levels
from perkie_cli.config.schema import MonitorSettings
from perkie_cli.domain.events import NoEvents
from perkie_cli.emulators.monitoring.server import MonitoringEmulator
from perkie_cli.ops.monitor.monitor import Monitor
from perkie_cli.ops.monitor.place import Place
from perkie_cli.ops.monitor.resources import wanted
from perkie_cli.ports.monitoring import Kind
from perkie_cli.stores.google.monitoring import GoogleMonitoring
from perkie_cli.telemetry.catalogue import CATALOGUE
from perkie_cli.telemetry.catalogue import Kind as MetricKind
from perkie_cli.telemetry.cloud_monitoring import CloudMonitoring, connect_to_monitoring
from perkie_cli.telemetry.instance import Instance
from perkie_cli.telemetry.measures import Measures
from tests.clock import ManualClock
from tests.monitoring import monitoring_thread

RESOURCES = list(wanted(read_levels(), Place.of("shop", MonitorSettings())))
USED = {each.id for each in RESOURCES if each.kind is Kind.METRIC}


@pytest.fixture
def emulator(clock: ManualClock) -> Iterator[MonitoringEmulator]:
    with monitoring_thread(clock) as made:
        yield made


@pytest.fixture
def server(emulator: MonitoringEmulator, clock: ManualClock) -> Iterator[CloudMonitoring]:
    """A server that measured something of everything that the alerts look at."""
    measures = Measures()
    for name in USED:
        metric = CATALOGUE[name]
        labels = [label.values[0] if label.values else "x" for label in metric.labels]
        if metric.kind is MetricKind.COUNTER:
            measures.add(name, *labels)
        elif metric.kind is MetricKind.GAUGE:
            measures.set(name, *labels, to=0.5)
        else:
            measures.observe(name, *labels, value=0.5)
    instance = Instance("perkie", "europe-west1", "task-1", "perkie-00042")
    made = CloudMonitoring(measures, clock, lambda: connect_to_monitoring("shop", emulator.address), lambda: instance)
    clock.advance(60)
    yield made
    made.close()


@pytest.fixture
async def monitor(emulator: MonitoringEmulator) -> AsyncIterator[Monitor]:
    monitoring = GoogleMonitoring("shop", {"MONITORING_EMULATOR_HOST": emulator.address})
    yield Monitor(monitoring, NoEvents(), "me@here")
    await monitoring.aclose()


async def test_what_was_written_first_needs_no_description(server: CloudMonitoring, monitor: Monitor) -> None:
    server.write(5)
    steps = (await monitor.plan(RESOURCES)).steps
    assert [step.id for step in steps if step.kind is Kind.METRIC] == []
    assert [step async for step in monitor.apply(await monitor.plan(RESOURCES))]
    assert not (await monitor.plan(RESOURCES)).pending


async def test_what_was_described_first_can_be_written(
    server: CloudMonitoring, monitor: Monitor, emulator: MonitoringEmulator
) -> None:
    assert [step async for step in monitor.apply(await monitor.plan(RESOURCES))]
    server.write(5)  # raises if a series was refused
    assert {each.metric.type.rpartition("/")[2] for each in emulator.time_series.series.values()} == USED
    assert not (await monitor.plan(RESOURCES)).pending
