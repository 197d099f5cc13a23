"""python -m tests.benchmarks [NAME] [--json FILE] [the benchmark's own arguments]: runs one, or lists them all."""

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

import tests.benchmarks

HELPERS = {"__main__", "harness"}


def names() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(tests.benchmarks.__path__))
    return sorted(name for name in found if name not in HELPERS and not name.startswith("_"))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__, add_help=not argv[:1])
    parser.add_argument("name", nargs="?", choices=names(), metavar="NAME", help=", ".join(names()))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    arguments, own = parser.parse_known_args(argv)
    if arguments.name is None:
        for name in names():
            summary = (importlib.import_module(f"tests.benchmarks.{name}").__doc__ or "").strip().splitlines()[0]
            print(f"{name:16} {summary}")
        return 0
    report = importlib.import_module(f"tests.benchmarks.{arguments.name}").run(own)
    print(report.show())
    if arguments.json:
        report.save(arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
