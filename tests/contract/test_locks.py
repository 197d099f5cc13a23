"""Locks by name: one holder at a time, in one process and over several, dropped when a holder dies."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from perkie_cli.stores.disk.locks import FileLocks
from perkie_cli.system.clock import SystemClock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "locks"


def locks(folder: Path) -> FileLocks:
    return FileLocks(folder, SystemClock())


async def test_one_holds_it_and_the_other_waits(folder: Path) -> None:
    order: list[str] = []

    async def work(name: str) -> None:
        async with locks(folder).hold("a picture"):
            order.append(f"{name} begins")
            await asyncio.sleep(0.05)
            order.append(f"{name} ends")

    async with asyncio.TaskGroup() as group:
        for name in "xyz":
            group.create_task(work(name))
    assert [line.split()[1] for line in order] == ["begins", "ends"] * 3
    assert list(folder.iterdir()) == [], "nothing stays behind"


async def test_different_names_do_not_wait_for_each_other(folder: Path) -> None:
    async with locks(folder).hold("a"), locks(folder).hold("b"):
        assert locks(folder).is_held("a")
        assert not locks(folder).is_held("c")
    assert not locks(folder).is_held("a")


async def test_waiting_can_be_cancelled(folder: Path) -> None:
    async with locks(folder).hold("a"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), locks(folder).hold("a"):
                pytest.fail("it is held")


async def test_a_folder_that_cannot_be_made_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with locks(tmp_path / "file" / "locks").hold("a"):
        pass


def hold_until_killed(folder: Path, held: Event) -> None:
    async def work() -> None:
        async with locks(folder).hold("a"):
            held.set()
            await asyncio.sleep(60)

    asyncio.run(work())


async def test_a_killed_process_blocks_nobody(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=hold_until_killed, args=(folder, held))
    process.start()
    assert await asyncio.to_thread(held.wait, 60)
    assert locks(folder).is_held("a")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await asyncio.to_thread(process.join)
    assert not locks(folder).is_held("a")
    async with asyncio.timeout(10), locks(folder).hold("a"):
        pass
