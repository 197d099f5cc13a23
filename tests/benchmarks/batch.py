"""Runs over many small photos: speed beside a plain loop over the same engine, memory, and a finished run again.

The plain loop decodes, draws, encodes and writes one photo after the other; a run does the same with a cache, a record,
a journal and a report. They take turns over the same photos, each in a process of its own, since a run chooses how its
process keeps memory. Memory and the second run are measured in fresh processes over photos of one content: the first is
drawn, the others come from the cache.

The loop runs twice. As somebody writes it, OpenCV spreads the network that finds the pet, most of the work, over the
cores: that is what one job has, too, and what it is measured by. The processes of two jobs have one thread each, so
they are measured by the loop on one thread. Two cores that the plain loop keeps busy already leave nothing to gain
but what it loses between the threads; that ratio is shown, without a goal.

`--busy` is for a machine that others use: fewer photos, and speed by processor time, which they hardly change. Two jobs
then have the speed that they would have on two free cores.
"""

import argparse
import asyncio
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tests.benchmarks.harness import Goal, Report, environment, interleaved, python
from tests.conftest import ROOT

STYLE = "bw_fine_art"
SIDE = 256  # px of a photo and of its picture
COMMAND = ("-q", "stylize", "-s", STYLE, "--engine", "local", "--background", "keep", "--size", SIDE)
CAT = ROOT / "examples" / "photos" / "cat.png"

# Runs the command line and prints its peak memory in MB.
MEASURED = """
import sys
from perkie_cli.cli.boundary import run
from perkie_cli.cli.flags import hoist
from tests.benchmarks.harness import peak_rss_mb
code = run(hoist(sys.argv[1:]))
print(peak_rss_mb(), file=sys.stderr)
sys.exit(code)
"""


def run(argv: list[str]) -> Report:
    parser = argparse.ArgumentParser(prog="batch")
    parser.add_argument("--drawn", type=int, default=70, help="photos that are drawn in each round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--busy", action="store_true", help="less of all, by processor time")
    options = parser.parse_args(argv)
    report = Report("batch", notes=[f"load of the machine at the start: {os.getloadavg()[0]:.1f}"])
    with _workshop() as folder:
        if options.busy:
            _speed_of_the_processor(report, folder, 2, 10)
            _memory(report, folder, 300, 3_000, cpu=True)
            report.notes.append("All times are of the processor.")
        else:
            _speed(report, folder, options.drawn, options.rounds)
            _memory(report, folder, options.few, options.many)
    return report


@contextmanager
def _workshop() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        homes = {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA", "STATE")}
        before = dict(os.environ)
        os.environ.update(homes)
        try:
            yield folder
        finally:
            os.environ.clear()
            os.environ.update(before)


def _speed(report: Report, folder: Path, count: int, rounds: int) -> None:
    photos, out = _distinct(folder / "drawn", count), folder / "out"
    with _processes(folder, out) as measured:
        cases = {name: partial(measured, name, photos, out) for name in CASES}
        seconds = interleaved(cases, rounds, warm=0)
    _show_speed(report, {name: [each / count for each in times] for name, times in seconds.items()}, "")


def _speed_of_the_processor(report: Report, folder: Path, few: int, many: int) -> None:
    """What each photo more takes, without the start of processes and the first imports."""
    photos = {count: _distinct(folder / f"drawn{count}", count) for count in (few, many)}
    with _processes(folder, folder / "out") as measured:
        used = {name: [measured(name, photos[count], folder / "out") for count in (few, many)] for name in CASES}
    each = {name: (more - less) / (many - few) for name, (less, more) in used.items()}
    each[TWO] /= 2
    _show_speed(report, {name: [seconds] for name, seconds in each.items()}, " by processor time")


@contextmanager
def _processes(folder: Path, out: Path) -> Iterator[Callable[[str, Path, Path], float]]:
    """A function that runs a case in its process, which has its imports and has read its files; see ``_run_case``."""
    few, fresh = _distinct(folder / "warm", 2), multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pools = {name: stack.enter_context(ProcessPoolExecutor(1, fresh)) for name in CASES}

        def measured(name: str, photos: Path, out: Path) -> float:
            return pools[name].submit(_run_case, name, photos, out).result()

        for name in CASES:
            measured(name, few, out)
        yield measured


def _run_case(name: str, photos: Path, out: Path) -> float:
    """Seconds of the processor, with children that have ended."""
    before = os.times()
    CASES[name](photos, out)
    return sum(os.times()[:4]) - sum(before[:4])


def _show_speed(report: Report, each: Mapping[str, Sequence[float]], how: str) -> None:
    """``each``: seconds a photo in each round."""

    def ratio(name: str, loop: str) -> float:
        return statistics.median(its / own for its, own in zip(each[loop], each[name], strict=True))

    report.rows += [
        {
            "case": name,
            "photos": "",
            "ms each": 1000 * statistics.median(each[name]),
            "× loop": ratio(name, LOOP),
            "× on one thread": ratio(name, ONE_THREAD),
            "MB": "",
            "s": "",
        }
        for name in CASES
    ]
    report.goals += [
        Goal(f"one job, of a plain loop's speed{how}", ratio(ONE, LOOP), 0.95, at_least=True),
        Goal(f"two jobs, of the loop's speed on one thread{how}", ratio(TWO, ONE_THREAD), 1.8, at_least=True),
    ]


def _memory(report: Report, folder: Path, few: int, many: int, *, cpu: bool = False) -> None:
    peaks = {}
    for count in (few, many):
        photos, out = _equal(folder / f"equal{count}", count), folder / f"made{count}"
        shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)
        peaks[count], first = _measured(photos, out, cpu=cpu)
        _, again = _measured(photos, out, cpu=cpu)
        report.rows += [
            {"case": "from the cache", "photos": count, "ms each": 1000 * first / count, "MB": peaks[count]},
            {"case": "finished, again", "photos": count, "ms each": 1000 * again / count, "s": again},
        ]
    report.goals += [
        Goal(f"memory, {many:,} of {few:,} photos", peaks[many] / peaks[few], 1.10),
        Goal(f"a finished run of {many:,} again", again, 5, unit="s"),
    ]


def _distinct(folder: Path, count: int) -> Path:
    """Photos that differ in a few pixels, also from those of other folders: a pet that was found is remembered."""
    folder.mkdir()
    mark = zlib.crc32(folder.name.encode()) % 251
    with Image.open(CAT) as cat:
        small = np.array(cat.convert("RGB").resize((SIDE + 32, SIDE)))
    for number in range(count):
        small[0, :8] = number % 251, number // 251, mark
        Image.fromarray(small).save(folder / f"pet{number:05}.png", compress_level=1)
    return folder


def _equal(folder: Path, count: int) -> Path:
    """The same photo under many names."""
    folder.mkdir()
    source = folder / "pet00000.png"
    with Image.open(CAT) as cat:
        cat.convert("RGB").resize((SIDE + 32, SIDE)).save(source)
    for number in range(1, count):
        (folder / f"pet{number:05}.png").write_bytes(source.read_bytes())
    return folder


def _loop(photos: Path, out: Path) -> None:
    """What somebody writes who has the engine and nothing else."""
    from perkie_cli.bootstrap import build_services
    from perkie_cli.config.schema import Settings
    from perkie_cli.domain.deadline import Deadline
    from perkie_cli.imaging import codec
    from perkie_cli.ports import RenderJob

    async def whole() -> None:
        services = build_services(Settings())
        style = services.styles.get(STYLE).varied(background="keep")
        for path in sorted(photos.iterdir()):
            raster = codec.decode(path.read_bytes(), services.limits, path.name).raster
            drawn = await services.local.render(RenderJob(raster, style, SIDE, Deadline.never()))
            (out / f"{path.stem}.jpg").write_bytes(codec.encode_master(drawn.raster).data)
        await services.aclose()

    _empty(out)
    asyncio.run(whole())


def _loop_on_one_thread(photos: Path, out: Path) -> None:
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        _loop(photos, out)
    finally:
        cv2.setNumThreads(before)


def _command(photos: Path, out: Path, jobs: int) -> None:
    from perkie_cli.cli.boundary import run as perkie
    from perkie_cli.cli.flags import hoist

    _empty(out)
    for kind in ("CACHE", "STATE"):
        shutil.rmtree(os.environ[f"XDG_{kind}_HOME"], ignore_errors=True)
    typed = [*COMMAND, photos, "--out-dir", out, "--jobs", jobs]
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        before = os.dup(1)
        os.dup2(nowhere.fileno(), 1)
        try:
            code = perkie(hoist([str(word) for word in typed]))
        finally:
            os.dup2(before, 1)
            os.close(before)
    if code:
        raise RuntimeError(f"perkie ended with {code}")


LOOP, ONE_THREAD, ONE, TWO = "plain loop", "on one thread", "one job", "two jobs"
CASES: Mapping[str, Callable[[Path, Path], None]] = {
    LOOP: _loop,
    ONE_THREAD: _loop_on_one_thread,
    ONE: partial(_command, jobs=1),
    TWO: partial(_command, jobs=2),
}


def _empty(out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()


def _measured(photos: Path, out: Path, *, cpu: bool) -> tuple[float, float]:
    """Peak memory in MB and seconds of a whole process."""
    typed = [*COMMAND, photos, "--out-dir", out]
    began, used = time.perf_counter(), sum(os.times()[:4])
    done = subprocess.run(
        python("-c", MEASURED, *map(str, typed)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment({"PYTHONPATH": str(ROOT)}),
        check=False,
    )
    seconds = sum(os.times()[:4]) - used if cpu else time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stderr.split()[-1]), seconds
