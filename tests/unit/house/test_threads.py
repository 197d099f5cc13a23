"""Worker threads: what they do when they are idle."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from perkie_cli.domain.errors import Unavailable
from perkie_cli.system.memory import give_back
from perkie_cli.system.threads import ThreadWorkers, thread_workers


async def test_idle_workers_have_a_rest_but_not_while_others_run() -> None:
    rests, gate = threading.Semaphore(0), threading.Event()
    workers = ThreadWorkers(2, rests.release, rest_every=0.0)
    long = asyncio.ensure_future(workers.run(gate.wait, 60))
    await asyncio.sleep(0)
    await workers.run(int)
    assert not rests.acquire(blocking=False), "one still runs"
    gate.set()
    await long
    assert await asyncio.to_thread(rests.acquire, timeout=60)
    workers.close()


async def test_rests_are_rare_and_work_that_failed_is_followed_by_one_too() -> None:
    rests = threading.Semaphore(0)
    workers = thread_workers(1, rests.release)
    for _ in range(100):
        with pytest.raises(ValueError, match="x"):
            await workers.run(int, "x")
    workers.close()
    assert rests.acquire(blocking=False)


def test_memory_can_be_given_back_anywhere() -> None:
    give_back()


async def test_who_waits_for_a_pool_that_is_closed_is_told() -> None:
    workers, gate = thread_workers(1), threading.Event()
    running, queued = (asyncio.ensure_future(workers.run(each, 60)) for each in (gate.wait, int))
    await asyncio.sleep(0)
    threading.Timer(0.05, gate.set).start()
    workers.close()
    assert await running
    for late in (queued, workers.run(int)):
        with pytest.raises(Unavailable, match="this process is ending"):
            await late


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_a_command_starts_no_threads_for_numpy() -> None:
    counting = """
from pathlib import Path
from perkie_cli.cli.main import main
try:
    main(["--version"])
except SystemExit:
    import numpy
    print(len(list(Path("/proc/self/task").iterdir())))
"""
    env = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", counting], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1"
