"""Whole-process start-up of light commands against a bare Typer app, rembg and transparent-background."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from perkie_cli.cli.app import COMMANDS
from tests.benchmarks.harness import Goal, Report, fresh_process, interleaved, medians, python

BARE = """import typer
app = typer.Typer()
for name in {names!r}:
    def command(x: str = "a"):
        "Does it."
    app.command(name)(command)
app()
"""
HELP_TARGET, LIGHT_TARGET, PEER_TARGET = 1.5, 3.0, 5.0
LIGHT = {
    "--version": ["--version"],
    "quota show": ["quota", "show", "--customer", "1"],
    "cache stats": ["cache", "stats"],
}


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="startup")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peers", type=Path, help="bin folder of an environment with rembg and transparent-background")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as home:
        bare = Path(home, "bare.py")
        bare.write_text(BARE.format(names=list(COMMANDS)))
        env = {f"XDG_{kind}_HOME": home for kind in ("CACHE", "STATE", "CONFIG")}
        perkie = python("-m", "perkie_cli")
        cases = {"bare Typer app --help": [*python(str(bare)), "--help"], "perkie --help": [*perkie, "--help"]}
        cases |= {f"perkie {name}": [*perkie, *args] for name, args in LIGHT.items()}
        peers = {f"{name} --help": [found, "--help"] for name, found in _peers(arguments.peers)}
        runs = {
            name: lambda command=command: fresh_process(command, env) for name, command in {**cases, **peers}.items()
        }
        times = medians(interleaved(runs, arguments.rounds))
    return _report(times, list(peers))


def _peers(folder: Path | None) -> list[tuple[str, str]]:
    path = os.pathsep.join(str(place) for place in (folder, Path(sys.executable).parent) if place)
    found = [(name, shutil.which(name, path=path)) for name in ("rembg", "transparent-background")]
    return [(name, place) for name, place in found if place and _runs(place)]


def _runs(program: str) -> bool:
    return subprocess.run([program, "--help"], capture_output=True, check=False).returncode == 0


def _report(times: dict[str, float], peers: Sequence[str]) -> Report:
    floor, own = times["bare Typer app --help"], times["perkie --help"]
    report = Report("startup")
    report.rows = [{"process": n, "median ms": t * 1000, "x bare app": t / floor} for n, t in times.items()]
    report.goals = [Goal("perkie --help / bare app", own / floor, HELP_TARGET)]
    report.goals += [Goal(f"perkie {name} / bare app", times[f"perkie {name}"] / floor, LIGHT_TARGET) for name in LIGHT]
    report.goals += [Goal(f"{peer} / perkie --help", times[peer] / own, PEER_TARGET, at_least=True) for peer in peers]
    if not peers:
        report.notes.append("Neither rembg nor transparent-background runs here: no peer was measured.")
    return report
