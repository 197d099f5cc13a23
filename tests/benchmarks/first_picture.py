"""A fresh process that stylizes the shipped cat, per style, against cv2.stylization in a fresh process."""

import argparse
import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.harness import Goal, Report, fresh_process, interleaved, medians, python
from tests.benchmarks.local_styles import PHOTO

STYLES = ("ink_wash", "van_gogh_post_impressionism", "bw_fine_art")
TARGET = 2.0  # for ink_wash
PEER = """
import sys, cv2
photo = cv2.imread(sys.argv[1])
scale = 1024 / max(photo.shape)
photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_LANCZOS4)
cv2.imwrite(sys.argv[2], cv2.stylization(photo, sigma_s=60, sigma_r=0.45), [cv2.IMWRITE_JPEG_QUALITY, 90])
"""


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="first_picture")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        peer = python("-c", PEER, str(PHOTO), str(Path(folder, "peer.jpg")))
        cases = {style: first_picture(style, Path(folder)) for style in STYLES}
        seconds = interleaved(cases | {"cv2.stylization": lambda: fresh_process(peer)}, arguments.rounds)
    times = medians(seconds)
    floor = times["cv2.stylization"]
    report = Report("first_picture")
    report.rows = [{"process": name, "ms": t * 1e3, "× stylization": t / floor} for name, t in times.items()]
    report.goals = [Goal("ink_wash, fresh process", times["ink_wash"] / floor, TARGET)]
    return report


def first_picture(style: str, folder: Path) -> Callable[[], None]:
    """`perkie stylize` into a new output with a new home each time, so that nothing is cached."""
    turn = itertools.count()

    def once() -> None:
        place = folder / f"{style}-{next(turn)}"
        home = {f"XDG_{kind}_HOME": str(place / kind) for kind in ("CACHE", "STATE", "CONFIG", "DATA")}
        command = ["-m", "perkie_cli", "stylize", str(PHOTO), "--style", style, "--engine", "local", "--out-dir"]
        fresh_process(python(*command, str(place)), home)

    return once
