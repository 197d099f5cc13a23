"""Emulators on a thread of their own, so that clients which block, or have another event loop, can call them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from perkie_cli.emulators.run import Emulator, running

E = TypeVar("E", bound=Emulator)


@contextmanager
def on_a_thread(emulator: E) -> Iterator[E]:
    """Runs the emulator for the block."""
    started, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with running(emulator):
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(60)
        yield emulator
    finally:
        stop.set()
        thread.join()
