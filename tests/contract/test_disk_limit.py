"""``cache.max_size``: never exceeded, least recently used first, counted exactly by any number of processes."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.errors import TooManyBytes
from perkie_cli.domain.events import CacheTrimmed
from perkie_cli.stores.disk.blobs import DiskBlobs
from perkie_cli.system.threads import thread_workers
from tests.clock import ManualClock
from tests.conftest import ROOT
from tests.events import Recorder

LIMIT = 1000
NAMES = [f"shared/aa/{letter * 8}.jpg" for letter in "abcdef"]


def opened(root: Path, clock: ManualClock, limit: int | None = LIMIT, events: Recorder | None = None) -> DiskBlobs:
    return DiskBlobs(root, clock, thread_workers(1), limit=limit, events=events)


async def put(store: DiskBlobs, key: str, size: int) -> bool:
    return await store.put(key, b"x" * size, content_type="image/jpeg", metadata={}, overwrite=True)


def on_disk(root: Path) -> dict[str, int]:
    files = (path for path in (root / "objects").rglob("*") if path.is_file())
    return {path.relative_to(root / "objects").as_posix(): path.stat().st_size for path in files}


def counted(root: Path) -> int:
    with closing(sqlite3.connect(root / "index.sqlite")) as connection:
        return int(connection.execute("SELECT bytes FROM usage").fetchone()[0])


async def test_the_least_recently_used_go_first_and_it_is_told_once(tmp_path: Path, clock: ManualClock) -> None:
    events = Recorder()
    store = opened(tmp_path, clock, events=events)
    for name in NAMES[:3]:
        await put(store, name, 300)
        clock.advance(60)
    used = await store.head(NAMES[0])
    assert used is not None
    clock.advance(timedelta(days=2).total_seconds())
    await store.touch(used, clock.now())
    assert events.events == []
    for name in NAMES[3:5]:
        await put(store, name, 300)
    assert set(on_disk(tmp_path)) == {NAMES[0], NAMES[3], NAMES[4]}
    assert events.events == [CacheTrimmed(LIMIT)]
    await store.aclose()


async def test_what_is_larger_than_the_limit_is_refused_and_costs_nobody_its_place(
    tmp_path: Path, clock: ManualClock
) -> None:
    store = opened(tmp_path, clock)
    await put(store, NAMES[0], LIMIT)
    with pytest.raises(TooManyBytes, match=r"cache\.max_size"):
        await put(store, NAMES[1], LIMIT + 1)
    assert on_disk(tmp_path) == {NAMES[0]: LIMIT}
    await store.aclose()


async def test_a_limit_on_a_cache_that_had_none_counts_what_is_there(tmp_path: Path, clock: ManualClock) -> None:
    before = opened(tmp_path, clock, limit=None)
    for name in NAMES:
        await put(before, name, 400)
        clock.advance(1)
    await before.aclose()
    store = opened(tmp_path, clock)
    await put(store, NAMES[0], 100)
    assert on_disk(tmp_path) == {NAMES[0]: 100, NAMES[4]: 400, NAMES[5]: 400}
    await store.aclose()


STEP = st.tuples(st.sampled_from(["put", "delete"]), st.sampled_from(NAMES), st.integers(1, 700))


@given(st.lists(STEP, max_size=25))
def test_whatever_is_written_and_deleted_the_sum_is_exact_and_within_the_limit(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int]]
) -> None:
    root, clock = tmp_path_factory.mktemp("cache"), ManualClock()

    async def all_steps() -> None:
        store, model = opened(root, clock), dict[str, int]()
        for what, name, size in steps:
            clock.advance(1)
            if what == "put":
                await put(store, name, size)
                model.pop(name, None)
                while sum(model.values()) + size > LIMIT:  # a dict keeps the order of writing: that of use here
                    model.pop(next(iter(model)))
                model[name] = size
            else:
                await store.delete(name)
                model.pop(name, None)
            assert on_disk(root) == model
        if any(what == "put" for what, _, _ in steps):
            assert counted(root) == sum(model.values())
        await store.aclose()

    asyncio.run(all_steps())


WRITER = """
import asyncio, random, sys
from pathlib import Path
from tests.clock import ManualClock
from tests.contract.test_disk_limit import opened, put
async def main(root, seed):
    rng, clock = random.Random(seed), ManualClock()
    store = opened(Path(root), clock, limit=50_000)
    for number in range(60):
        clock.advance(1)
        await put(store, f"shared/aa/{seed}{number:07}.jpg", rng.randint(1, 5_000))
    await store.aclose()
asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def sums_while(writers: list[subprocess.Popen[bytes]], index: Path) -> Iterator[int]:
    while any(writer.poll() is None for writer in writers):
        if index.exists():
            with closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True, timeout=10)) as connection:
                yield int(connection.execute("SELECT COALESCE(SUM(size), 0) FROM objects").fetchone()[0])


def test_processes_together_keep_within_the_limit_at_every_moment(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, seed], cwd=ROOT) for seed in "1234"]
    assert all(total <= 50_000 for total in sums_while(writers, tmp_path / "index.sqlite"))
    assert [writer.wait() for writer in writers] == [0] * 4
    assert 40_000 < sum(on_disk(tmp_path).values()) == counted(tmp_path) <= 50_000
