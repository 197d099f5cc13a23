"""Cloud Storage for tests: our emulator on a thread of its own, since the command line runs a loop of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from perkie_cli.emulators.storage.server import StorageEmulator
from perkie_cli.system.clock import SystemClock
from tests.emulators import on_a_thread


def storage_thread() -> AbstractContextManager[StorageEmulator]:
    """The emulator; its ``url`` is what STORAGE_EMULATOR_HOST takes."""
    return on_a_thread(StorageEmulator(SystemClock()))


@contextmanager
def buckets(url: str, *names: str) -> Iterator[list[storage.Bucket]]:
    """New buckets, through Google's client."""
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    client = storage.Client(project="p", credentials=nobody, client_options={"api_endpoint": url})
    try:
        yield [client.create_bucket(name) for name in names]
    finally:
        client.close()
