"""The builtin cut-out against rembg on the same weights: a warm picture, and the whole process, photo file to PNG file.

rembg lives in an environment of its own: --peers names that environment's bin folder.
"""

import argparse
import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from perkie_cli.batch.files import read_photo
from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import MattingSettings, Settings
from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.pictures.request import CacheUse
from perkie_cli.engines.u2net.weights import SHIPPED
from perkie_cli.system.memory import keep
from tests.benchmarks._matting import SIZES, photo
from tests.benchmarks.harness import Goal, Report, environment, fresh_process, interleaved, medians, python
from tests.conftest import ROOT

WARM_TARGETS = {"0.7 MP": 1.0, "12 MP": 1.5}
PROCESS_TARGET = 3.0
PROCESSES = 3  # times the rounds: processes vary more than warm pictures
SESSION = """
import sys
from pathlib import Path
from rembg import new_session, remove
session = new_session("u2netp")
for line in sys.stdin:
    source, target = line.rstrip("\\n").split("\\t")
    Path(target).write_bytes(remove(Path(source).read_bytes(), session=session))
    print("done", flush=True)
"""


def run(argv: list[str]) -> Report:
    parser = argparse.ArgumentParser(prog="matting_builtin", description=__doc__)
    parser.add_argument("--peers", type=Path, required=True, help="bin folder of an environment with rembg[cpu,cli]")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(argv)
    report = Report("matting_builtin")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        weights = home / ".u2net" / SHIPPED.name
        weights.parent.mkdir()
        shutil.copyfile(SHIPPED, weights)
        env = {"HOME": folder, "U2NET_HOME": str(weights.parent)}
        _warm(report, asked, home, env)
        _processes(report, asked, home, env)
    return report


def _warm(report: Report, asked: argparse.Namespace, home: Path, env: dict[str, str]) -> None:
    keep()  # as commands and servers do
    with _session(asked.peers / "python", env) as theirs, asyncio.Runner() as runner:
        services = build_services(Settings(matting=MattingSettings(engine="builtin")))
        for size, pixels in SIZES.items():
            source, target = photo(home, pixels), home / "ours.png"
            cases: dict[str, Any] = {
                "ours": lambda s=source, t=target: runner.run(_cut_out(services, s, t)),
                "rembg": lambda s=source: _ask(theirs, s, home / "theirs.png"),
            }
            seconds = medians(interleaved(cases, asked.rounds))
            _add(report, f"warm, {size}", seconds, WARM_TARGETS[size])
        runner.run(services.aclose())


def _processes(report: Report, asked: argparse.Namespace, home: Path, env: dict[str, str]) -> None:
    source = photo(home, SIZES["0.7 MP"])
    ours = [*python("-m", "perkie_cli", "remove-bg", str(source), "-o", str(home / "process.png"))]
    ours += ["--engine", "builtin", "--no-cache", "--force"]
    theirs = [str(asked.peers / "rembg"), "i", "-m", "u2netp", str(source), str(home / "rembg.png")]
    own = {"PYTHONPATH": str(ROOT), **{f"XDG_{kind}_HOME": str(home) for kind in ("CACHE", "STATE", "CONFIG")}}
    cases = {"ours": lambda: fresh_process(ours, own), "rembg": lambda: fresh_process(theirs, env)}
    _add(report, "whole process, 0.7 MP", medians(interleaved(cases, PROCESSES * asked.rounds)), PROCESS_TARGET)


def _add(report: Report, name: str, seconds: dict[str, float], target: float) -> None:
    ratio = seconds["rembg"] / seconds["ours"]
    row = {"": name, "ours s": seconds["ours"], "rembg s": seconds["rembg"], "speed-up": ratio}
    report.rows.append(row)
    report.goals.append(Goal(name, ratio, target, at_least=True))


async def _cut_out(services: Services, source: Path, target: Path) -> None:
    found = await asyncio.to_thread(read_photo, source, services.limits)
    made = await services.cutouts(CutoutRequest(found, "builtin", cache=CacheUse.OFF))
    await asyncio.to_thread(target.write_bytes, made.picture.data)


@contextmanager
def _session(python_: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that holds rembg's session and takes ``source TAB target`` a line."""
    command = [str(python_), "-c", SESSION]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment(env)) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _ask(process: subprocess.Popen[str], source: Path, target: Path) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{source}\t{target}\n")
    process.stdin.flush()
    if process.stdout.readline() != "done\n":
        raise RuntimeError("rembg's session ended")
