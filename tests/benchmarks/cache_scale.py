"""cache stats, inspect and purge --dry-run over many objects on disk, against ``find -printf`` over the same tree."""

import argparse
import random
import subprocess
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from perkie_cli.domain.storage.selection import AREAS
from perkie_cli.ports import BlobInfo
from perkie_cli.stores.disk.files import DiskFiles
from perkie_cli.stores.disk.index import DiskIndex
from tests.benchmarks.harness import Goal, Report, environment, fresh_process, interleaved, medians, python

STYLES = ("ink_wash", "van_gogh_post_impressionism", "bw_fine_art")
OWNERS = 2000
RSS_OF = """
import sys
from perkie_cli.cli.main import main
from tests.benchmarks.harness import peak_rss_mb
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write(f"RSS {peak_rss_mb()}")
"""


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="cache_scale")
    parser.add_argument("--counts", default="10000,100000", help="objects, comma-separated (1000000 takes minutes)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="build the trees here (default: the temporary folder)")
    arguments = parser.parse_args(argv)
    report = Report(
        "cache_scale", notes=["times are of whole processes in seconds; rss in MB; first: to the first row"]
    )
    peaks: dict[str, list[float]] = {}
    for count in map(int, arguments.counts.split(",")):
        with tempfile.TemporaryDirectory(dir=arguments.dir) as folder:
            build(Path(folder), count)
            _measure(Path(folder), count, arguments.rounds, report, peaks)
    for name, values in peaks.items():
        report.goals.append(Goal(f"rss of {name}, most objects against fewest", values[-1] / values[0], 1.1))
    return report


def _measure(root: Path, count: int, rounds: int, report: Report, peaks: dict[str, list[float]]) -> None:
    env = {
        "PERKIE_CACHE_DIR": str(root),
        "XDG_STATE_HOME": str(root / "state"),
        "XDG_CONFIG_HOME": str(root / "config"),
    }
    find = ["find", str(root / "objects"), "-type", "f", "-printf", "%s %T@ %p\\n"]
    commands = {
        "stats": ["cache", "stats"],
        "inspect --limit 50": ["cache", "inspect", "--limit", "50"],
        "purge --dry-run": ["cache", "purge", "--older-than", "30d", "--dry-run"],
    }
    cases = {"find -printf": find} | {name: python("-m", "perkie_cli", *words) for name, words in commands.items()}
    runs = {name: lambda command=command: fresh_process(command, env) for name, command in cases.items()}
    times = medians(interleaved(runs, rounds))
    for name, command in cases.items():
        first = _first_row(command, env)
        row = {
            "objects": count,
            "command": name,
            "seconds": times[name],
            "× find": times[name] / times["find -printf"],
            "first": first,
        }
        if name in commands:
            row["rss"] = rss = _rss(commands[name], env)
            peaks.setdefault(name, []).append(rss)
            report.goals.append(Goal(f"{name} at {count}", times[name] / times["find -printf"], 1.0))
            report.goals.append(Goal(f"first row of {name} at {count}", first, 1.0, unit="s"))
        report.rows.append(row)


def _first_row(command: Sequence[str], env: dict[str, str]) -> float:
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(env)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - start
        process.stdout.read()
    return seconds


def _rss(words: Sequence[str], env: dict[str, str]) -> float:
    done = subprocess.run(
        python("-c", RSS_OF, *words), capture_output=True, text=True, env=environment(env), check=True
    )
    return float(done.stderr.rpartition("RSS ")[2])


def build(root: Path, count: int) -> None:
    """Objects as a busy shop leaves them; written past the store, a few bytes each: what is measured is counting."""
    DiskFiles(root).prepare()
    index, dice, now = DiskIndex(root / "index.sqlite"), random.Random(1), datetime.now(UTC)
    made: set[Path] = set()
    with index.writing():
        for number in range(count):
            key = _key(dice, number)
            path = root / "objects" / key
            if path.parent not in made:
                path.parent.mkdir(parents=True, exist_ok=True)
                made.add(path.parent)
            path.write_bytes(b"x" * 16)
            touched = now - timedelta(days=dice.random() * 60)
            facts = {"engine": "gemini", "model": "gemini-nano-banana-2.1", "width": "1024", "height": "768"}
            index.save(BlobInfo(key, 16, "image/jpeg", f"{number:064x}", touched, touched, number + 1, facts))
    index.close()


def _key(dice: random.Random, number: int) -> str:
    hash_ = f"{dice.getrandbits(256):064x}"
    area = AREAS[number % len(AREAS)]
    folder = hash_[:2] if area in ("shared", "cutouts") else f"{dice.randrange(OWNERS)}"
    tail = "" if area.startswith("originals") else f"_{dice.choice(STYLES)}_{dice.getrandbits(48):012x}"
    return f"{area}/{folder}/{hash_}{tail}.jpg"
