from __future__ import annotations

import asyncio
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from perkie_cli.domain.errors import CorruptImage, Unavailable
from perkie_cli.system.processes import ProcessWorkers, process_workers
from perkie_cli.system.threads import any_hanging, thread_workers
from tests.conftest import CAT, ROOT


def fail() -> None:
    raise CorruptImage("pet.jpg is damaged", hint="Save it again.")


async def test_errors_come_out_of_the_process_whole() -> None:
    workers = process_workers(1)
    with pytest.raises(CorruptImage, match=r"pet\.jpg is damaged") as caught:
        await workers.run(fail)
    assert caught.value.hint == "Save it again."
    workers.close()


async def test_a_process_that_dies_fails_those_who_wait_and_nobody_after() -> None:
    workers = process_workers(2)
    dying = [workers.run(os._exit, 9) for _ in range(3)]
    outcomes = await asyncio.gather(*dying, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert await workers.run(os.getpid) != os.getpid()
    workers.close()


async def test_a_process_that_dies_costs_nobody_elses_work() -> None:
    workers = process_workers(2)
    dying, living = await asyncio.gather(workers.run(os._exit, 9), workers.run(slept, 0.5), return_exceptions=True)
    assert isinstance(dying, Unavailable)
    assert living == 0.5
    workers.close()


async def test_a_process_that_hangs_is_replaced_and_leaves_nothing() -> None:
    before = set(threading.enumerate())
    workers = process_workers(1)
    hanging = await workers.run(os.getpid)
    await hang(workers)
    assert await workers.run(os.getpid) != hanging
    await hang(workers)
    workers.close()
    assert set(threading.enumerate()) <= before, "Python's exit may print the errors of a pool's thread"
    with pytest.raises(ProcessLookupError):
        os.kill(hanging, 0)


async def hang(workers: ProcessWorkers) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await workers.run(slept, 3600)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
async def test_a_process_has_no_threads_of_its_libraries() -> None:
    workers = process_workers(1)
    assert await workers.run(threads_of_libraries) == 0
    workers.close()


def threads_of_libraries() -> int:
    import numpy as np

    assert np.ones((300, 300)).dot(np.ones((300, 300)))[0, 0] == 300
    return len(list(Path("/proc/self/task").iterdir())) - threading.active_count()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others have no mallopt")
async def test_a_process_keeps_its_memory_for_the_next_picture() -> None:
    workers = process_workers(1)
    assert await workers.run(pages_fetched_again) < 1_000
    workers.close()


def pages_fetched_again() -> int:
    """As memory is filled that was filled and freed before."""
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in [b"1" * 2**24 for _ in range(8)]:
            pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others have no mallopt")
def test_a_command_over_photos_keeps_its_memory_too(tmp_path: Path) -> None:
    script = """
import sys
from perkie_cli.cli.boundary import run
from tests.integration.cli.test_workers import pages_fetched_again
assert run(sys.argv[1:]) == 0
sys.exit(pages_fetched_again() >= 1_000)
"""
    words = ["-q", "remove-bg", str(CAT), "-o", str(tmp_path / "cut.png"), "--engine", "builtin", "--no-cache"]
    assert subprocess.run([sys.executable, "-c", script, *words], cwd=ROOT, check=False).returncode == 0


async def test_threads_that_hang_are_left_behind() -> None:
    before = set(threading.enumerate())  # other tests of this process may have left some
    workers, gate = thread_workers(1), threading.Event()
    hanging = asyncio.create_task(workers.run(gate.wait))
    await asyncio.sleep(0.05)
    workers.renew()
    assert await workers.run(threading.active_count)
    workers.close()
    assert any_hanging()
    gate.set()
    assert await hanging
    while set(threading.enumerate()) - before:  # noqa: ASYNC110  # threads tell nobody
        await asyncio.sleep(0.01)


def slept(seconds: float) -> float:
    time.sleep(seconds)
    return seconds
