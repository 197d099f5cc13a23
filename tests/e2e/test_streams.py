"""Odd names, odd locales, and readers that leave: what reaches stdout and stderr, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, Perkie

SMALL = ("--style", "bw_fine_art", "--size", "256")
PERKIE = f"{sys.executable} -m perkie_cli"


def shell(line: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """``line`` in bash, where ``perkie`` is the command."""
    return subprocess.run(
        ["bash", "-c", line.replace("perkie ", f"{PERKIE} ")],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=100,
        check=False,
    )


def test_a_name_that_is_no_unicode_is_made_printed_and_put_into_the_envelope(cat: Path) -> None:
    name = os.fsdecode(b"b\xffd.png")
    cat.rename(cat.with_name(name))
    done = shell(f"perkie stylize b*.png {' '.join(SMALL)}", cat.parent)
    assert (done.returncode, done.stdout) == (0, os.fsdecode(b"b\xffd_bw_fine_art.jpg\n")), done.stderr
    body = json.loads(shell(f"perkie stylize b*.png {' '.join(SMALL)} --json", cat.parent).stdout)
    assert body["results"][0]["input"] == name


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}])
def test_any_locale_will_do(cat: Path, locale: dict[str, str]) -> None:
    cat.rename(cat.with_name("猫.png"))
    line = f"perkie stylize 猫.png {' '.join(SMALL)} --json; perkie styles list; perkie stylize --help"
    done = shell(line, cat.parent, **locale)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["results"][0]["output"] == "猫_bw_fine_art.jpg"


def test_a_name_does_not_steer_the_terminal(perkie: Perkie, tmp_path: Path) -> None:
    (tmp_path / "a\x1b[31m\nb.png").write_bytes(b"no picture")
    done = perkie("stylize", "a\x1b[31m\nb.png", *SMALL)
    assert done.returncode == 3
    assert done.stderr.splitlines()[0].startswith(r"error: a\x1b[31m\nb.png is not an image")


def test_a_reader_that_leaves_does_not_stop_the_pictures(cat: Path) -> None:
    for n in range(3):
        cat.with_name(f"pet{n}.png").write_bytes(cat.read_bytes())
    line = f"(perkie stylize pet?.png {' '.join(SMALL)}; echo $? >code) | true; cat code; ls *.jpg"
    done = shell(line, cat.parent)
    assert done.stdout.split() == ["0", *(f"pet{n}_bw_fine_art.jpg" for n in range(3))], done.stderr


def test_a_reader_that_leaves_ends_a_listing_quietly(tmp_path: Path) -> None:
    done = shell("(perkie config show; echo $? >code) | true; cat code", tmp_path)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("flags", ["", "--json"])
@pytest.mark.parametrize("command", ["config show", "stylize cat.png --style modern --size 256"])
def test_a_stdout_that_is_full_is_told_on_stderr(cat: Path, command: str, flags: str) -> None:
    done = shell(f"perkie {command} {flags} >/dev/full", cat.parent)
    assert done.returncode == 9
    assert "error: stdout cannot be written: No space left on device\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(cat: Path, closed: str) -> None:
    done = shell(f"perkie stylize cat.png {' '.join(SMALL)} {closed}", cat.parent)
    assert done.returncode == 0, done.stderr
    assert cat.with_name("cat_bw_fine_art.jpg").exists()


def catches(process: subprocess.Popen[str], caught: int) -> bool:
    """Whether the process has a handler for that signal."""
    mask = Path(f"/proc/{process.pid}/status").read_text().partition("SigCgt:")[2].split()[0]
    return bool(int(mask, 16) >> (caught - 1) & 1)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0, 0.1, 0.3, 0.6])
def test_an_interrupt_at_any_time_leaves_nothing_half(cat: Path, sent: signal.Signals, delay: float) -> None:
    process = subprocess.Popen(
        [*PERKIE.split(), "stylize", "cat.png", *SMALL, "--json", "--no-cache"],
        cwd=cat.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not catches(
        process, signal.SIGTERM
    ):  # the first thing that perkie does; before, it is Python that is stopped
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(sent)
    stdout, stderr = process.communicate(timeout=60)
    assert "Traceback" not in stderr
    assert not list(cat.parent.glob(".*")), "no half file"
    if stdout:
        body = json.loads(stdout)
        assert (body["error"] or {"code": None})["code"] == (None if body["ok"] else "interrupted")
    # CPython ends by the signal itself where it met the interrupt inside an exec(); to a shell that is 130 too.
    assert process.returncode in ({130, -signal.SIGINT} if not stdout or "interrupted" in stdout else {0, -sent})


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop"])
def test_what_is_no_file_is_refused_at_once(perkie: Perkie, tmp_path: Path, kind: str) -> None:
    odd = tmp_path / "odd.jpg"
    match kind:
        case "pipe":
            os.mkfifo(odd)
        case "device":
            odd.symlink_to("/dev/zero")
        case "folder":
            odd = Path("/proc/self/fd")
        case "loop":
            odd.symlink_to("odd.jpg")
    done = perkie("stylize", odd, *SMALL, "--out-dir", "out")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
