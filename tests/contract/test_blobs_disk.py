"""What only the disk store promises: crashes, several processes, private files, disks that refuse."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.domain.events import NoEvents
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.storage.protection import Protection
from perkie_cli.ports import Stray, StrayKind
from perkie_cli.services.storage.filter import Filter
from perkie_cli.services.storage.keeping import CacheKeeping, FindingKind
from perkie_cli.stores.disk.blobs import DiskBlobs
from perkie_cli.system.threads import thread_workers
from tests.clock import ManualClock
from tests.conftest import ROOT
from tests.contract.blob_stores import facts, stored
from tests.contract.disk_writer import RACE_KEY, sealed

UPLOAD = "originals/customers/42/ab.jpg"
PICTURE = "generated/customers/42/ab_ink_wash_01.jpg"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
async def store(root: Path, clock: ManualClock) -> AsyncIterator[DiskBlobs]:
    made = DiskBlobs(root, clock, thread_workers(2))
    yield made
    await made.aclose()


async def put(store: DiskBlobs, key: str, data: bytes = b"picture", *, overwrite: bool = False) -> bool:
    return await store.put(key, data, content_type="image/jpeg", metadata={}, overwrite=overwrite)


async def strays(store: DiskBlobs, *, repair: bool = False) -> list[Stray]:
    return [stray async for stray in store.strays(repair=repair)]


def writer(root: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contract.disk_writer", str(root), *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def expect(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == line


async def test_making_a_store_touches_nothing(store: DiskBlobs, root: Path) -> None:
    assert not root.exists()
    await store.ping()
    assert root.exists()


async def test_everything_is_private_whatever_the_umask(store: DiskBlobs, root: Path) -> None:
    before = os.umask(0)
    try:
        await put(store, PICTURE)
    finally:
        os.umask(before)
    modes = {path.relative_to(root): path.stat().st_mode & 0o777 for path in [root, *root.rglob("*")]}
    assert {mode for path, mode in modes.items() if (root / path).is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if (root / path).is_file()} == {0o600}


async def test_deleting_the_last_object_removes_the_owners_folder(store: DiskBlobs, root: Path) -> None:
    await put(store, PICTURE)
    await store.delete(PICTURE)
    assert list((root / "objects").iterdir()) == []
    assert await put(store, PICTURE)


async def test_processes_racing_on_a_fresh_store_leave_one_winner(store: DiskBlobs, root: Path) -> None:
    processes = [writer(root, "race", str(byte)) for byte in range(4)]
    for process in processes:
        expect(process, "ready")
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    won = [process.communicate()[0].strip() for process in processes]
    assert won.count("True") == 1
    assert won.count("False") == 3
    blob = await stored(store, RACE_KEY)
    assert blob.data == bytes([won.index("True")]) * 200_000
    assert await strays(store) == []


CUT_OFF = {
    "create": FindingKind.FILE_WITHOUT_ENTRY,
    "overwrite": FindingKind.DAMAGED,  # the new file is whole, its entry still the old one
    "delete": FindingKind.DAMAGED,  # an entry without its file
}


@pytest.mark.parametrize("every", [11, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
async def test_a_writer_killed_before_any_line_leaves_nothing_that_a_repair_does_not_mend(
    root: Path, store: DiskBlobs, every: int
) -> None:
    keeping = CacheKeeping(store, ManualClock(), NoEvents(), (), Protection())

    async def wrong(*, repair: bool) -> list[FindingKind]:
        found = [finding.kind async for finding in keeping.verify(Filter(), repair=repair)]
        return [kind for kind in found if kind is not FindingKind.LEFTOVER]  # of the file written aside

    writers, met = writer(root, "kills"), set[FindingKind]()
    for line in itertools.count(1, every):
        step, killed = write_until(writers, line)
        if not killed:
            break
        for path in (root / "objects").rglob("*.jpg"):
            data = path.read_bytes()
            assert data == sealed(data[32:]), "no file is ever half there"
        found = await wrong(repair=True)
        assert found in ([], [CUT_OFF[step]])
        assert await wrong(repair=False) == []
        met.update(found)
    writers.communicate()
    assert met == set(CUT_OFF.values()), "each was killed where it hurts"


def write_until(writers: subprocess.Popen[str], line: int) -> tuple[str, bool]:
    """The step that a writer was at, and whether it was killed before that line."""
    assert writers.stdin is not None
    assert writers.stdout is not None
    writers.stdin.write(f"{line}\n")
    writers.stdin.flush()
    step = ""
    while not (told := writers.stdout.readline().strip()).isdigit():
        assert told, "it ended"
        step = told
    return step, told == f"{signal.SIGKILL.value}"


async def test_a_file_without_entry_is_adopted_if_an_upload_and_else_drawn_again(store: DiskBlobs, root: Path) -> None:
    await store.ping()
    for key in (UPLOAD, PICTURE, "originals/temp/s/empty.jpg", "shared/ab/not ours"):
        path = root / "objects" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if "empty" in key else b"bytes")
    found = {stray.key: stray.adopted for stray in await strays(store)}
    assert found == {UPLOAD: True, PICTURE: False, "originals/temp/s/empty.jpg": False}
    assert len(await strays(store, repair=True)) == 3
    assert await strays(store) == []
    assert (await stored(store, UPLOAD)).data == b"bytes"
    assert (await facts(store, UPLOAD)).content_type == "image/jpeg"
    assert not (root / "objects" / PICTURE).exists()
    assert (root / "objects/shared/ab/not ours").exists()


async def test_an_entry_without_file_is_dropped(store: DiskBlobs, root: Path) -> None:
    await put(store, PICTURE)
    (root / "objects" / PICTURE).unlink()
    assert await store.get(PICTURE) is None
    assert [(stray.key, stray.kind) for stray in await strays(store)] == [(PICTURE, StrayKind.ENTRY_WITHOUT_FILE)]
    await strays(store, repair=True)
    assert await store.head(PICTURE) is None


@pytest.mark.parametrize(
    ("column", "value"), [("metadata", "{"), ("metadata", "[1]"), ("metadata", 7), ("touched", 2**62), ("created", "x")]
)
async def test_one_odd_row_stops_no_command(
    store: DiskBlobs, root: Path, clock: ManualClock, column: str, value: object
) -> None:
    keys = ["shared/ca/a_ink_wash_1.jpg", "shared/ca/b_ink_wash_1.jpg"]
    for key in keys:
        await put(store, key)
    with closing(sqlite3.connect(root / "index.sqlite")) as index, index:
        index.execute(f"UPDATE objects SET {column} = ? WHERE key = ?", (value, keys[0]))
    keeping = CacheKeeping(store, clock, NoEvents(), (), Protection())
    assert [info.key async for info in keeping.inspect(Filter())] == keys
    assert [each.count for each in (await keeping.stats(Filter())).values()] == [2]
    (found,) = [each async for each in keeping.verify(Filter(), repair=True)]
    assert (found.key, found.kind, found.remedy) == (keys[0], FindingKind.SENSELESS_FACTS, "renewed")
    assert [each async for each in keeping.verify(Filter())] == []
    assert (await stored(store, keys[0])).data == b"picture"


async def test_verify_tells_each_thing_once(store: DiskBlobs, root: Path, clock: ManualClock) -> None:
    await put(store, PICTURE)
    await put(store, UPLOAD)
    (root / "objects" / PICTURE).unlink()
    (root / "objects" / "shared").mkdir()
    (root / "objects" / "shared" / "lost.jpg").write_bytes(b"?")
    keeping = CacheKeeping(store, clock, NoEvents(), (), Protection())
    expected = [(PICTURE, "damaged"), ("shared/lost.jpg", "file without entry")]
    for repair in (False, True):
        assert [(found.key, found.kind) async for found in keeping.verify(Filter(), repair=repair)] == expected
    assert [found async for found in keeping.verify(Filter())] == []


async def test_an_erasure_finds_files_that_lost_their_entry(store: DiskBlobs, root: Path, clock: ManualClock) -> None:
    await store.ping()
    lost = root / "objects" / UPLOAD
    lost.parent.mkdir(parents=True)
    lost.write_bytes(b"bytes")
    keeping = CacheKeeping(store, clock, NoEvents(), (), Protection())
    await keeping.purge(Filter(owner=Owner.customer("42")))
    assert not lost.exists()


async def test_leftovers_of_dead_writers_go_and_running_writes_stay(
    store: DiskBlobs, root: Path, clock: ManualClock
) -> None:
    await store.ping()
    for name, age in (("old", timedelta(minutes=5)), ("young", timedelta(seconds=5))):
        path = root / "tmp" / name
        path.write_bytes(b"half")
        when = (clock.now() - age).timestamp()
        os.utime(path, (when, when))
    assert [stray.key for stray in await strays(store, repair=True)] == ["old"]
    assert [path.name for path in (root / "tmp").iterdir()] == ["young"]


async def test_a_lost_index_keeps_the_uploads(store: DiskBlobs, root: Path, clock: ManualClock) -> None:
    await put(store, UPLOAD)
    await store.aclose()
    for path in root.glob("index.sqlite*"):
        path.unlink()
    again = DiskBlobs(root, clock, thread_workers(1))
    assert await again.get(UPLOAD) is None
    await strays(again, repair=True)
    assert (await stored(again, UPLOAD)).data == b"picture"
    await again.aclose()


async def test_a_folder_that_is_removed_under_a_running_store_is_made_anew(root: Path, store: DiskBlobs) -> None:
    await asyncio.gather(*(put(store, PICTURE), put(store, UPLOAD)))
    shutil.rmtree(root)
    with pytest.raises(StoreUnavailable):
        await put(store, "shared/ab/ab_ink_wash_01.jpg")
    for _ in range(2):  # by either thread
        assert [*await asyncio.gather(store.get(PICTURE), store.get(UPLOAD))] == [None, None]
    assert await put(store, PICTURE)
    again = DiskBlobs(root, ManualClock(), thread_workers(1))
    assert [info.key async for info in again.list()] == [PICTURE]
    await again.aclose()


async def test_a_full_disk_is_unavailable_and_leaves_no_half_file(root: Path, store: DiskBlobs) -> None:
    process = writer(root, "limited")
    assert process.communicate()[0].strip() == "store_broken"
    assert await strays(store) == []
    assert list((root / "tmp").iterdir()) == []
    assert [info.key async for info in store.list()] == ["shared/ab/small.jpg"]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write anywhere: step down for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_read_only_folder_is_unavailable(tmp_path: Path, clock: ManualClock) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    with as_nobody():
        store = DiskBlobs(locked / "cache", clock, thread_workers(1))
        for call in (store.ping(), put(store, PICTURE), store.get(PICTURE), store.totals()):
            with pytest.raises(StoreUnavailable, match="cannot be used"):
                await call
        await store.aclose()


async def test_a_file_where_the_folder_should_be_is_unavailable(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = DiskBlobs(tmp_path / "file", clock, thread_workers(1))
    with pytest.raises(StoreUnavailable):
        await store.ping()
    await store.aclose()


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000])
async def test_a_broken_index_is_unavailable_and_untouched(root: Path, clock: ManualClock, content: bytes) -> None:
    root.mkdir(mode=0o700)
    (root / "index.sqlite").write_bytes(content)
    store = DiskBlobs(root, clock, thread_workers(1))
    with pytest.raises(StoreUnavailable):
        await put(store, PICTURE)
    assert (root / "index.sqlite").read_bytes() == content
    await store.aclose()
