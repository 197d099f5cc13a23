"""Cloud Storage for tests: our emulator on a thread of its own, since the command line runs a loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from perkie_cli.emulators.run import Emulator
from perkie_cli.emulators.storage.server import StorageEmulator
from perkie_cli.system.clock import SystemClock

S = TypeVar("S", bound=Emulator)


@contextmanager
def on_thread(server: S) -> Iterator[S]:
    """Serves on a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
        yield server
        asyncio.run_coroutine_threadsafe(server.aclose(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@contextmanager
def storage_thread() -> Iterator[StorageEmulator]:
    """The emulator; its ``url`` is what STORAGE_EMULATOR_HOST takes."""
    with on_thread(StorageEmulator(SystemClock())) as server:
        yield server


@contextmanager
def buckets(url: str, *names: str) -> Iterator[list[storage.Bucket]]:
    """New buckets, through Google's client."""
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    client = storage.Client(project="p", credentials=nobody, client_options={"api_endpoint": url})
    try:
        yield [client.create_bucket(name) for name in names]
    finally:
        client.close()
