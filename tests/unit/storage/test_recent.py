from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from perkie_cli.ports import Blob
from perkie_cli.stores.disk.blobs import DiskBlobs
from perkie_cli.stores.recent import SECONDS, Recent
from perkie_cli.system.threads import thread_workers
from tests.clock import ManualClock

KEYS = [f"shared/ab/{'ab' * 32}_{style}_0123456789ab.jpg" for style in ("ink_wash", "bw_fine_art", "my_style")]


async def opened(root: Path, clock: ManualClock, most: int = 1000) -> DiskBlobs:
    store = DiskBlobs(root, clock, thread_workers(2), recent=Recent(clock, most))
    for key in KEYS:
        await store.put(key, key.encode(), content_type="image/jpeg", metadata={})
    return store


async def read(store: DiskBlobs, key: str) -> Blob:
    blob = await store.get(key)
    assert blob is not None
    assert blob.data
    return blob


async def test_what_was_just_read_is_not_read_again_for_a_second(tmp_path: Path, clock: ManualClock) -> None:
    store = await opened(tmp_path, clock)
    first = await read(store, KEYS[0])
    assert await store.get(KEYS[0]) is first
    clock.advance(SECONDS * 0.99)
    assert await store.get(KEYS[0]) is first
    clock.advance(SECONDS * 0.02)
    assert await read(store, KEYS[0]) is not first
    await store.aclose()


async def test_a_change_is_seen_at_once_here_and_after_a_second_elsewhere(tmp_path: Path, clock: ManualClock) -> None:
    store, other = await opened(tmp_path, clock), DiskBlobs(tmp_path, clock, thread_workers(1))
    for key in KEYS:
        await read(store, key)
    await store.put(KEYS[0], b"new", content_type="image/jpeg", metadata={}, overwrite=True)
    assert (await read(store, KEYS[0])).data == b"new"
    await store.delete(KEYS[1])
    assert await store.get(KEYS[1]) is None
    await other.delete(KEYS[2])
    assert (await read(store, KEYS[2])).data == KEYS[2].encode()
    clock.advance(SECONDS)
    assert await store.get(KEYS[2]) is None
    await store.aclose()
    await other.aclose()


async def test_only_so_many_bytes_are_held_the_latest_ones(tmp_path: Path, clock: ManualClock) -> None:
    each = len(KEYS[0])
    store = await opened(tmp_path, clock, most=2 * each + 10)
    first, second, third = [await read(store, key) for key in KEYS]
    assert await store.get(KEYS[1]) is second
    assert await store.get(KEYS[2]) is third
    assert await store.get(KEYS[0]) is not first
    await store.aclose()


@pytest.mark.parametrize("changed", [False, True])
async def test_what_was_read_before_a_change_is_not_kept_after_it(
    tmp_path: Path, clock: ManualClock, changed: bool
) -> None:
    store, recent = await opened(tmp_path, clock), Recent(clock)
    blob = replace(await read(store, KEYS[0]), data=b"before")
    changes = recent.changes
    if changed:
        recent.forget(KEYS[0])
    recent.keep(blob, changes)
    assert (recent.find(KEYS[0]) is None) is changed
    await store.aclose()
