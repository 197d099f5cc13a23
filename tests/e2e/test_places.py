"""Places that may not be read or written: told in a sentence before anything is drawn, never at a picture's cost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

STYLE = ("--style", "bw_fine_art", "--size", "256")
# Root may write anywhere: its rights are dropped for these tests.
DROPPED = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []

pytestmark = pytest.mark.skipif(bool(DROPPED) and shutil.which("setpriv") is None, reason="root, and no setpriv")


def perkie(cwd: Path, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DROPPED, sys.executable, "-m", "perkie_cli", *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=100,
        check=False,
    )


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A folder with the cat in it that may not even be looked into."""
    folder = tmp_path / "locked"
    folder.mkdir()
    shutil.copy(ROOT / "examples" / "photos" / "cat.png", folder)
    folder.chmod(0)
    return folder


@pytest.mark.parametrize("word", ["locked/cat.png", "locked", "locked/*.png"])
def test_an_input_that_may_not_be_read(locked: Path, word: str) -> None:
    done = perkie(locked.parent, "stylize", word, *STYLE, "--out-dir", "out")
    assert done.returncode == 3, done.stderr
    assert word.rpartition("/cat")[0] in done.stderr


def test_the_other_inputs_go_through(cat: Path, locked: Path) -> None:
    done = perkie(cat.parent, "stylize", "locked/cat.png", "cat.png", *STYLE, "--out-dir", "out", "--json")
    assert done.returncode == 6
    assert [r["status"] for r in json.loads(done.stdout)["results"]] == ["failed", "done"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (("--out-dir", "locked"), "cannot be written: Permission denied"),
        (("--out-dir", "closed/deeper"), "closed is not writable (permission denied)"),
        (("--out-dir", "cat.png"), "cat.png is not a folder"),
        (("-o", "closed"), "closed is a directory"),
        (("-o", "pipe.jpg"), "pipe.jpg is not a regular file"),
        (("-o", "cat.png"), "cat.png is the input itself"),
        (("-o", "same.png"), "same.png is the input itself"),
    ],
)
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_an_output_that_cannot_be_written_is_told_before_drawing(
    cat: Path, locked: Path, home: Path, place: tuple[str, str], reason: str, force: tuple[str, ...]
) -> None:
    cat.with_name("closed").mkdir(mode=0o555)
    os.mkfifo(cat.with_name("pipe.jpg"))
    cat.with_name("same.png").symlink_to(cat)
    photo = cat.read_bytes()
    done = perkie(cat.parent, "stylize", "cat.png", *STYLE, *place, *force)
    assert done.returncode == 3, done.stderr
    assert reason in done.stderr
    assert cat.read_bytes() == photo
    assert not (home / "cache").exists(), "something was drawn"


def test_a_home_that_may_not_be_written_costs_no_picture(cat: Path, home: Path) -> None:
    home.chmod(0o555)
    (cat.parent / "photos").mkdir()
    cat.rename(cat.parent / "photos" / "cat.png")
    first = perkie(cat.parent, "stylize", "photos", *STYLE, "--out-dir", "out", "--json")
    body = json.loads(first.stdout)
    assert (first.returncode, body["summary"]["total"], body["summary"]["done"]) == (0, 1, 1)
    assert len(body["warnings"]) == 3, "the cache, the record and the journal"
    again = perkie(cat.parent, "stylize", "photos", *STYLE, "--out-dir", "out")
    assert (again.returncode, "record of outputs" in again.stderr) == (3, True), again.stderr
    assert perkie(cat.parent, "stylize", "photos", *STYLE, "--out-dir", "out", "--force").returncode == 0
