"""Runs that are killed, and workers that die or hang: nothing done is lost, nothing done is paid again."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import CAT, ROOT, Perkie, counts
from tests.e2e.test_stylize_gemini import Emulator, emulating

PERKIE = [sys.executable, "-m", "perkie_cli"]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulating("--picture", "tiny") as running:
        yield running


@pytest.fixture
def env(emulator: Emulator) -> dict[str, str]:
    emulator.call("DELETE", "plan")
    emulator.call("POST", "reset")
    return {"GOOGLE_GEMINI_BASE_URL": emulator.url, "GEMINI_API_KEY": "any", "PERKIE_GEMINI_DAILY_CAP_USD": "1000"}


def photos(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"pet{number:03}.png").write_bytes(CAT.read_bytes() + number.to_bytes(2, "big"))
    return folder


def begin(folder: Path, *args: str | Path, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PERKIE, *map(str, args)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(holds: Callable[[], object], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def calling(emulator: Emulator, process: subprocess.Popen[str]) -> Callable[[], bool]:
    """Whether the process has called, or has nothing left to do."""
    before = emulator.calls
    return lambda: emulator.calls > before or process.poll() is not None


def children(pid: int) -> list[int]:
    """The worker processes, without the one that tracks resources."""
    found = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [each for each in found if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]


@pytest.mark.parametrize(
    ("items", "kills"),
    [(6, 3), pytest.param(40, 20, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])],
    ids=["small", "full"],
)
def test_a_run_that_is_killed_often_ends_as_if_it_had_not_been(
    perkie: Perkie, tmp_path: Path, env: dict[str, str], emulator: Emulator, items: int, kills: int
) -> None:
    photos(tmp_path / "photos", items)
    emulator.plan({"kind": "slow", "seconds": 0.3})
    args = ("stylize", "photos", "-s", "ink_wash", "--jobs", "2", "--out-dir")
    rng = random.Random(items)
    for _ in range(kills):
        process = begin(tmp_path, *args, "out", env=env)
        wait_until(calling(emulator, process))
        time.sleep(rng.uniform(0, 0.8))
        process.kill()
        process.communicate()
    done = perkie(*args, "out", "--json", env=env)
    assert done.returncode == 0, done.stderr
    assert emulator.calls <= items + kills * 2, "calls ≤ items + kills × jobs"
    calls = emulator.calls
    states = [row["state"] for row in json.loads(perkie("report", "list", "--limit", "99", "--json").stdout)["results"]]
    assert states[0] == "finished"
    assert set(states[1:]) <= {"killed", "finished"}
    undisturbed = perkie(*args, "whole", "--json", env=env)
    assert counts(json.loads(undisturbed.stdout)["summary"]) == {"total": items, "cached": items}
    assert emulator.calls == calls, "nothing that was done is paid again"
    made = sorted((tmp_path / "out").iterdir())
    assert len(made) == items
    for path in made:
        assert path.read_bytes() == (tmp_path / "whole" / path.name).read_bytes()


def test_the_report_of_a_killed_run(perkie: Perkie, tmp_path: Path, env: dict[str, str], emulator: Emulator) -> None:
    photos(tmp_path / "photos", 4)
    emulator.plan({"kind": "hang", "calls": [2, 3, 4, 5, 6, 7, 8]})
    process = begin(tmp_path, "stylize", "photos", "-s", "ink_wash", "--out-dir", "out", env=env)
    wait_until(lambda: emulator.calls == 2)
    running = json.loads(perkie("report", "list", "--json").stdout)["results"][0]
    assert running["state"] == "running"
    process.kill()
    process.communicate()
    shown = json.loads(perkie("report", "show", "--json").stdout)
    assert shown["summary"]["state"] == "killed"
    assert [row["status"] for row in shown["results"]] == ["done", "running", "waiting", "waiting"]
    assert shown["results"][0]["cost_usd"] > 0
    emulator.call("DELETE", "plan")
    again = perkie("stylize", "photos", "-s", "ink_wash", "--out-dir", "out", env=env)
    assert again.stdout.split()[-1] == "out/pet001_ink_wash.jpg", "what may have been the cause comes last"


def test_what_was_under_way_when_a_retry_died_is_tried_again(
    perkie: Perkie, tmp_path: Path, env: dict[str, str], emulator: Emulator
) -> None:
    photos(tmp_path / "photos", 3)
    args = ("stylize", "photos", "-s", "ink_wash", "--out-dir", "out", "--json")
    emulator.plan({"kind": "error", "status": 400})
    assert perkie(*args, env=env).returncode == 9
    emulator.plan({"kind": "hang"})
    for number, state in ((signal.SIGINT, "interrupted"), (signal.SIGKILL, "killed")):
        process = begin(tmp_path, *args, "--retry-failed", env=env)
        wait_until(calling(emulator, process))
        process.send_signal(number)
        stdout, _ = process.communicate()
        (run, *_) = json.loads(perkie("report", "list", "--json").stdout)["results"]
        assert (run["state"], run["total"]) == (state, 3)
        if number == signal.SIGINT:
            assert run["counts"] == {"waiting": 3}
            assert json.loads(stdout)["summary"]["cost_usd"] == run["cost_usd"] > 0, "the call may be billed"
    emulator.plan()
    done = perkie(*args, "--retry-failed", env=env)
    assert counts(json.loads(done.stdout)["summary"]) == {"total": 3, "done": 3}


@pytest.mark.parametrize("reads", [("-",), ("--files-from", "-")], ids=["photo", "list"])
def test_an_interrupt_ends_a_run_that_waits_for_stdin(tmp_path: Path, reads: tuple[str, ...]) -> None:
    silent, end = os.pipe()
    os.write(end, b"a beginning")
    process = subprocess.Popen(
        [*PERKIE, "stylize", *reads, "-s", "ink_wash", "--out-dir", "out", "--json", "-v"],
        stdin=silent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    wait_until(lambda: fcntl.ioctl(silent, termios.FIONREAD, bytes(4)) == bytes(4))  # it has read that much
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    os.close(silent)
    os.close(end)
    assert (process.returncode, json.loads(stdout)["error"]["code"]) == (130, "interrupted"), stderr
    assert "Fatal" not in stderr


LOCAL = ("stylize", "photos", "-s", "van_gogh", "--size", "256", "--out-dir", "out", "--json", "--no-cache")


def test_a_worker_that_dies_costs_its_own_item_only(tmp_path: Path) -> None:
    photos(tmp_path / "photos", 6)
    process = begin(tmp_path, *LOCAL, "--jobs", "2", env={})
    wait_until(lambda: len(list((tmp_path / "out").glob("*.jpg"))) >= 1)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=120)
    body = json.loads(stdout)
    assert (process.returncode, counts(body["summary"])) == (6, {"total": 6, "done": 5, "failed": 1}), stderr
    (failed,) = [row for row in body["results"] if row["status"] == "failed"]
    assert "worker process died" in failed["error"]["message"]


def test_a_worker_that_hangs_is_replaced_and_its_item_named(tmp_path: Path) -> None:
    photos(tmp_path / "photos", 6)
    process = begin(tmp_path, *LOCAL, "--jobs", "2", "--item-timeout", "12s", env={})
    wait_until(lambda: len(list((tmp_path / "out").glob("*.jpg"))) >= 1)
    stopped = children(process.pid)[0]
    os.kill(stopped, signal.SIGSTOP)
    stdout, stderr = process.communicate(timeout=150)
    body = json.loads(stdout)
    failed = [row for row in body["results"] if row["status"] == "failed"]
    assert len(failed) == 1, stderr
    assert failed[0]["error"]["code"] == "deadline_exceeded"
    assert failed[0]["input"] in failed[0]["error"]["message"]
    assert not Path(f"/proc/{stopped}").exists()


HANGING = """
import asyncio, os, sys, threading
from decimal import Decimal
from pathlib import Path
from perkie_cli.batch.jobs import Job, JobResult
from perkie_cli.batch.logbook import Logbook
from perkie_cli.batch.photos.sources import FileSource
from perkie_cli.batch.run import BatchRun, RunRules
from perkie_cli.bootstrap import build_services
from perkie_cli.cli.batch.options import ProgressKind
from perkie_cli.cli.batch.progress import BatchProgress
from perkie_cli.cli.batch.report import BatchReporter
from perkie_cli.cli.flags import GlobalFlags
from perkie_cli.cli.main import _leave_hanging_threads
from perkie_cli.cli.render import Renderer
from perkie_cli.config.schema import Settings
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.runs import Status

async def main():
    its = build_services(Settings())
    renderer = Renderer(GlobalFlags())

    async def work(job, purse):
        if "2" in job.source.name:
            await its.io.run(threading.Event().wait)  # as a read from a dead network disk
        return JobResult(job, Status.DONE)

    log = Logbook(its.journal, its.locks, its.io, its.clock, print)
    reporter = BatchReporter(renderer, BatchProgress(renderer, ProgressKind.NONE))
    run = BatchRun(work, reporter, log, its.clock, Budget(Decimal(1)), RunRules(2, item_limit=0.5), its.io.renew)
    jobs = [Job(FileSource(Path(f"pet{n}.png")), Path(f"pet{n}.jpg")) for n in range(20)]
    ended = await run.all(jobs)
    await its.aclose()
    return ended.tally.counted()

print(asyncio.run(main()), flush=True)
_leave_hanging_threads(0)
"""


def test_threads_that_hang_do_not_keep_a_run_from_ending() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "{'done': 18, 'failed': 2}"
    assert "pet2.png was not finished within 500 ms" in done.stderr
