"""Cloud Monitoring for tests: our emulator on a thread of its own."""

from __future__ import annotations

from contextlib import AbstractContextManager

from perkie_cli.emulators.monitoring.server import MonitoringEmulator
from perkie_cli.ports import Clock
from perkie_cli.system.clock import SystemClock
from tests.emulators import on_a_thread


def monitoring_thread(clock: Clock | None = None) -> AbstractContextManager[MonitoringEmulator]:
    """The emulator in an event loop of its own, so that blocking clients can call it."""
    return on_a_thread(MonitoringEmulator(clock or SystemClock()))
