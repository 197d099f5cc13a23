"""Google's own clients against the emulated Cloud Monitoring."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from perkie_cli.emulators.monitoring.server import MonitoringEmulator
from perkie_cli.emulators.run import running
from perkie_cli.stores.google.monitoring import GoogleMonitoring
from perkie_cli.system.clock import SystemClock


@pytest.fixture
async def emulator() -> AsyncIterator[MonitoringEmulator]:
    made = MonitoringEmulator(SystemClock())
    async with running(made):
        yield made


@pytest.fixture
async def monitoring(emulator: MonitoringEmulator) -> AsyncIterator[GoogleMonitoring]:
    made = GoogleMonitoring("shop", {"MONITORING_EMULATOR_HOST": emulator.address})
    yield made
    await made.aclose()
