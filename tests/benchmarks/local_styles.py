"""ms a picture of the three local styles, with the pet's matte and without, against cv2.stylization.

Also peak memory, and two processes against one. All, the peers too, keep freed memory, as commands and servers do.
"""

import argparse
import functools
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from perkie_cli.engines.local.drawing import draw, render_at
from perkie_cli.engines.local.recipes import RECIPES
from perkie_cli.engines.local.scene.subject import Backdrop
from perkie_cli.engines.u2net.subject import find_subject
from perkie_cli.imaging.raster import Raster
from perkie_cli.system.memory import keep
from tests.benchmarks.harness import Goal, Report, interleaved, medians, peak_rss_mb

PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "cat.png"
TARGETS = {"bw_fine_art": 0.2, "ink_wash": 0.8, "van_gogh": 1.5}
RSS_TARGET, SCALING_TARGET = 400, 1.8
SEED = 7


@functools.cache
def photo(size: int) -> np.ndarray:
    """The shipped cat, RGB, `size` px on the long side."""
    read = cv2.imread(str(PHOTO))
    assert read is not None, PHOTO
    picture = read[..., ::-1]
    scale = size / max(picture.shape)
    shape = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return cv2.resize(np.ascontiguousarray(picture), shape, interpolation=cv2.INTER_CUBIC)


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="local_styles")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args(argv)
    report = Report("local_styles")
    keep()
    speed(report, photo(arguments.size), arguments.rounds)
    memory(report, arguments.size)
    scaling(report, arguments.size, arguments.rounds)
    return report


def speed(report: Report, picture: np.ndarray, rounds: int) -> None:
    """One thread, then two, each against its peers in the same rounds; drawing alone, then with the pet looked for."""
    bgr = np.ascontiguousarray(picture[..., ::-1])
    matte = find_subject(picture).alpha
    cases: dict[str, Callable[[], object]] = {}
    for name in RECIPES:
        cases[name] = functools.partial(draw, name, picture, None, {}, SEED)
        cases[f"{name}, kept"] = functools.partial(draw, name, picture, matte, {}, SEED, background=Backdrop.KEPT)
        cases[f"{name}, replaced"] = functools.partial(
            draw, name, picture, matte, {}, SEED, background=Backdrop.REPLACED
        )
    cases["the matte of a photo"] = lambda: find_subject(picture)
    cases |= {
        "cv2.stylization": lambda: cv2.stylization(bgr, sigma_s=60, sigma_r=0.45),
        "cv2.pencilSketch": lambda: cv2.pencilSketch(bgr, sigma_s=60, sigma_r=0.07, shade_factor=0.02),
    }
    if xphoto := getattr(cv2, "xphoto", None):  # only in the contrib build
        cases["xphoto.oilPainting"] = lambda: xphoto.oilPainting(bgr, 7, 1)
    for threads in (1, 2):
        cv2.setNumThreads(threads)
        times = medians(interleaved(cases, rounds))
        peer = times["cv2.stylization"]
        for name, seconds in times.items():
            report.rows.append(
                {"drawing": name, "threads": threads, "ms": seconds * 1e3, "× stylization": seconds / peer}
            )
        if threads == 1:
            report.goals += [
                Goal(f"{case}, one thread", seconds / peer, TARGETS[case.partition(",")[0]])
                for case, seconds in times.items()
                if case.partition(",")[0] in TARGETS
            ]


def memory(report: Report, size: int) -> None:
    """Peak RSS of a fresh process that finds the pet and draws one picture."""
    for name in RECIPES:
        command = [sys.executable, "-m", "tests.benchmarks.local_styles", name, str(size)]
        peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        report.goals.append(Goal(f"{name}, peak RSS of a process", peak, RSS_TARGET, unit="MB"))


def scaling(report: Report, size: int, rounds: int) -> None:
    """Pictures a second of two processes over one, all three styles in turn, in rounds that alternate."""
    context = multiprocessing.get_context("spawn")
    ratios = []
    with context.Pool(2, cv2.setNumThreads, (1,)) as pool:
        pool.map(every_style, [size] * 2, chunksize=1)  # both import and warm up
        for _ in range(rounds):
            start = time.perf_counter()
            pool.apply(every_style, (size,))
            alone = time.perf_counter() - start
            start = time.perf_counter()
            pool.map(every_style, [size] * 2, chunksize=1)
            ratios.append(2 * alone / (time.perf_counter() - start))
    report.goals.append(Goal("two processes over one", statistics.median(ratios), SCALING_TARGET, at_least=True))


def every_style(size: int) -> None:
    for name in RECIPES:
        draw(name, photo(size), None, {}, SEED)


if __name__ == "__main__":  # the child of memory()
    keep()
    render_at(Raster(photo(int(sys.argv[2]))), sys.argv[1], {}, int(sys.argv[2]), SEED)
    print(peak_rss_mb())
