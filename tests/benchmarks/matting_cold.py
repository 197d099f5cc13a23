"""Process start to the first cut-out, against transparent-background on the same made weights (mode fast)."""

import argparse
import tempfile
from pathlib import Path

from perkie_cli.domain.cutouts.checkpoint import CHECKPOINTS
from tests.benchmarks._matting import SIZES, models, photo
from tests.benchmarks.harness import Goal, Report, fresh_process, interleaved, medians, python
from tests.conftest import ROOT

UPSTREAM = """
import sys
from pathlib import Path
from tests.upstream import remover
from tests.benchmarks._matting import upstream_cut_out
checkpoint, source, target, home = map(Path, sys.argv[1:])
upstream_cut_out(remover(checkpoint, "fast", 384, home, foreground=True), source, target)
"""


def run(argv: list[str]) -> Report:
    parser = argparse.ArgumentParser(prog="matting_cold", description=__doc__)
    parser.add_argument("--models", type=Path, help="keep made weights and exports here for the next run")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(argv)
    with models(asked.models, ["fast"], exported=True) as weights, tempfile.TemporaryDirectory() as place:
        home = Path(place)
        source = photo(home, SIZES["0.7 MP"])
        env = {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": place, "PERKIE_MATTING_MODELS_DIR": str(weights)}
        ours = ["-m", "perkie_cli", "remove-bg", str(source), "--mode", "fast", "--no-cache", "--force"]
        ours += ["-o", str(home / "ours.png")]
        theirs = [weights / CHECKPOINTS["fast"].file, source, home / "theirs.png", home]
        cases = {
            "ours, ONNX": lambda: fresh_process(python(*ours, "--device", "cpu"), env),
            "ours, torch": lambda: fresh_process(python(*ours), {**env, "PERKIE_MATTING_BACKEND": "torch"}),
            "upstream": lambda: fresh_process(python("-c", UPSTREAM, *map(str, theirs)), env),
        }
        seconds = medians(interleaved(cases, asked.rounds, warm=1))
    report = Report("matting_cold")
    for name, value in seconds.items():
        report.rows.append({"": name, "seconds": value, "upstream takes": seconds["upstream"] / value})
    ratio = seconds["upstream"] / seconds["ours, ONNX"]
    report.goals.append(Goal("ONNX against upstream", ratio, 5, at_least=True))
    report.notes.append("Upstream's compiled numba code is in its cache already (a minute more the very first time).")
    return report
