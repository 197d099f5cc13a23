"""Cloud Monitoring for tests: our emulator on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from perkie_cli.emulators.monitoring.server import MonitoringEmulator
from perkie_cli.emulators.run import running
from perkie_cli.ports import Clock
from perkie_cli.system.clock import SystemClock


@contextmanager
def monitoring_thread(clock: Clock | None = None) -> Iterator[MonitoringEmulator]:
    """The emulator in an event loop of its own, so that blocking clients can call it."""
    emulator = MonitoringEmulator(clock or SystemClock())
    started, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with running(emulator):
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(60)
    try:
        yield emulator
    finally:
        stop.set()
        thread.join()
