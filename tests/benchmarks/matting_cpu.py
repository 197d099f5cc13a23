"""Photo file to RGBA PNG file on the CPU against transparent-background's own Remover, on the same made weights."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from perkie_cli.domain.cutouts.checkpoint import CHECKPOINTS
from tests.benchmarks._matting import (
    SIZES,
    alpha_difference,
    cut_out,
    models,
    our_services,
    photo,
    upstream_cut_out,
)
from tests.benchmarks.harness import Goal, Report, interleaved, medians
from tests.upstream import remover

TARGETS = {("fast", "0.7 MP"): 1.4, ("fast", "12 MP"): 3.0, ("base", "0.7 MP"): 1.3, ("base", "12 MP"): 1.6}


def run(argv: list[str]) -> Report:
    parser = argparse.ArgumentParser(prog="matting_cpu", description=__doc__)
    parser.add_argument("--models", type=Path, help="keep made weights and exports here for the next run")
    parser.add_argument("--mode", choices=list(CHECKPOINTS), action="append", help="only these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", choices=["onnx", "torch"], default="onnx")
    asked = parser.parse_args(argv)
    modes = asked.mode or list(CHECKPOINTS)
    report = Report("matting_cpu")
    with models(asked.models, modes, asked.backend == "onnx") as weights, tempfile.TemporaryDirectory() as place:
        for mode in modes:
            _measure(report, mode, asked, weights, Path(place))
    report.notes.append("Upstream's first picture in a process, which compiles numba code, is not counted.")
    return report


def _measure(report: Report, mode: str, asked: argparse.Namespace, weights: Path, place: Path) -> None:
    checkpoint = CHECKPOINTS[mode]
    theirs = remover(weights / checkpoint.file, mode, checkpoint.side, place, foreground=True)
    with asyncio.Runner() as runner:
        ours = our_services(weights, asked.backend)
        for size, pixels in SIZES.items():
            source, mine, peers = photo(place, pixels), place / "ours.png", place / "theirs.png"
            cases = {
                "ours": lambda s=source, t=mine: runner.run(cut_out(ours, s, t, mode)),
                "upstream": lambda s=source, t=peers: upstream_cut_out(theirs, s, t),
            }
            seconds = medians(interleaved(cases, asked.rounds, warm=1))
            ratio = seconds["upstream"] / seconds["ours"]
            off = alpha_difference(mine, peers)
            report.rows.append(
                {
                    "mode": mode,
                    "photo": size,
                    "ours s": seconds["ours"],
                    "upstream s": seconds["upstream"],
                    "speed-up": ratio,
                    "alpha off by": off,
                    "ours MB": mine.stat().st_size / 1e6,
                    "upstream MB": peers.stat().st_size / 1e6,
                }
            )
            report.goals.append(Goal(f"{mode} {size}", ratio, TARGETS[mode, size], at_least=True))
            report.goals.append(Goal(f"{mode} {size} alpha", off, 2, unit="/255"))
        runner.run(ours.aclose())
