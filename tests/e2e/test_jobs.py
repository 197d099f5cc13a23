"""``--jobs 2``: drawings in processes, which end when they should and say nothing of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT, Perkie

STYLIZE = ("stylize", "pet*.png", "-s", "van_gogh", "--out-dir", "out", "--json", "--jobs", "2")


def wait_until(holds: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def batch(cat: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """Twelve pictures in two processes, of which the first is done; a process group of its own.

    With a parameter it starts as in the background of a script: SIGINT is ignored.
    """
    interrupts = getattr(request, "param", signal.SIG_DFL)
    for n in range(12):
        cat.with_name(f"pet{n:02}.png").write_bytes(cat.read_bytes() + bytes([n]))
    process = subprocess.Popen(
        [sys.executable, "-m", "perkie_cli", *STYLIZE],
        cwd=cat.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, interrupts),
    )
    wait_until(lambda: list((cat.parent / "out").glob("*.jpg")))
    yield process
    process.kill()
    process.communicate()


def test_two_processes_draw_what_one_draws_and_name_what_fails(perkie: Perkie, cat: Path) -> None:
    cat.with_name("cut.png").write_bytes(cat.read_bytes()[:9000])
    args = ("stylize", "cut.png", "cat.png", "-s", "all", "--size", "256", "--no-cache", "--json", "--out-dir")
    one, two = perkie(*args, "one"), perkie(*args, "two", "--jobs", "2")
    assert (one.returncode, two.returncode) == (6, 6)
    told = [
        [(r["input"], r["style"], r["status"], r.get("error")) for r in json.loads(done.stdout)["results"]]
        for done in (one, two)
    ]
    assert told[0] == told[1], "in the order of the inputs"
    assert [status for _, _, status, _ in told[0]] == ["failed"] * 3 + ["done"] * 3
    for made in cat.parent.glob("one/*.jpg"):
        assert made.read_bytes() == (cat.parent / "two" / made.name).read_bytes()


@pytest.mark.parametrize(
    ("batch", "sent"),
    [(signal.SIG_DFL, signal.SIGINT), (signal.SIG_IGN, signal.SIGTERM)],
    ids=["Ctrl-C", "SIGTERM in the background"],
    indirect=["batch"],
)
def test_a_signal_to_the_whole_group_keeps_what_is_done(
    batch: subprocess.Popen[str], tmp_path: Path, sent: signal.Signals
) -> None:
    os.killpg(batch.pid, sent)
    stdout, stderr = batch.communicate(timeout=60)
    assert (batch.returncode, stderr) == (130, "")
    results = json.loads(stdout)["results"]
    assert {r["status"] for r in results} == {"done"}
    assert {Path(r["output"]).name for r in results} == {path.name for path in (tmp_path / "out").iterdir()}
    for path in (tmp_path / "out").iterdir():
        with Image.open(path) as picture:
            picture.load()


def test_the_processes_end_with_one_that_was_killed(batch: subprocess.Popen[str]) -> None:
    children = [int(pid) for pid in Path(f"/proc/{batch.pid}/task/{batch.pid}/children").read_text().split()]
    assert len(children) >= 2
    batch.kill()
    batch.wait()
    wait_until(lambda: not any(map(alive, children)))
