"""The implementations of ``ports.BlobStore`` that the contract suite runs over."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from perkie_cli.emulators.storage.server import StorageEmulator
from perkie_cli.ports import Blob, BlobInfo, BlobStore, Clock
from perkie_cli.stores.disk.blobs import DiskBlobs
from perkie_cli.stores.google.blobs import GcsBlobs
from perkie_cli.stores.google.storage_client import GcsConnection, GcsPlace
from perkie_cli.system.threads import thread_workers

BUCKET = "perkie-test"
SIGNER = "cache@project.iam.gserviceaccount.com"  # the account whose key the emulators of tests know


class Opener:
    """Opens stores over one and the same place, as several processes would."""

    def __init__(self) -> None:
        self._opened: list[BlobStore] = []

    def open(self, clock: Clock) -> BlobStore:
        store = self.make(clock)
        self._opened.append(store)
        return store

    def make(self, clock: Clock) -> BlobStore:
        raise AssertionError("made by subclasses")

    async def damage(self, key: str, data: bytes) -> None:
        """Changes the stored bytes behind the store's back."""
        raise AssertionError("made by subclasses")

    async def aclose(self) -> None:
        for store in self._opened:
            await store.aclose()


class DiskOpener(Opener):
    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root

    def make(self, clock: Clock) -> BlobStore:
        return DiskBlobs(self.root, clock, thread_workers(4))

    async def damage(self, key: str, data: bytes) -> None:
        (self.root / "objects" / key).write_bytes(data)


class GcsOpener(Opener):
    """The real client against our emulator on loopback."""

    def __init__(self, clock: Clock, **options: Any) -> None:
        super().__init__()
        self.server = StorageEmulator(clock, **options)
        self.server.add_bucket(BUCKET)

    async def start(self) -> GcsOpener:
        await self.server.start()
        return self

    def make(self, clock: Clock) -> BlobStore:
        return self.connect(clock, BUCKET)

    def connect(self, clock: Clock, bucket: str, **options: Any) -> GcsBlobs:
        place = GcsPlace(bucket, endpoint=self.server.url)
        return GcsBlobs(GcsConnection(place, clock, thread_workers(8), random.Random(1)), clock, **options)

    async def damage(self, key: str, data: bytes) -> None:
        self.server.state.existing(BUCKET, key).data = data

    async def aclose(self) -> None:
        await super().aclose()
        await self.server.aclose()


async def stored(store: BlobStore, key: str) -> Blob:
    """The object, which is there."""
    blob = await store.get(key)
    assert blob is not None, key
    return blob


async def facts(store: BlobStore, key: str) -> BlobInfo:
    """The facts of the object, which is there."""
    info = await store.head(key)
    assert info is not None, key
    return info
