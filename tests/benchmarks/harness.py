"""What the benchmarks share: interleaved timing, fresh processes with their peak memory, one table and one JSON form.

A benchmark is a module beside this one with ``run(argv) -> Report``; ``python -m tests.benchmarks NAME`` prints it.
Machines are shared and noisy, so every figure is a ratio of medians whose runs took turns.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Goal:
    """A figure to reach: `value` at most (or at least) `target`."""

    name: str
    value: float
    target: float
    at_least: bool = False
    unit: str = "×"

    @property
    def reached(self) -> bool:
        return self.value >= self.target if self.at_least else self.value <= self.target


@dataclass
class Report:
    """Rows of one table (same keys), and the goals judged from them."""

    name: str
    rows: list[dict[str, object]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def show(self) -> str:
        parts = [f"{self.name} ({machine()})", table(self.rows)]
        if self.goals:
            parts.append(table([_goal_row(goal) for goal in self.goals]))
        return "\n\n".join([*parts, *self.notes])

    def save(self, path: Path) -> None:
        goals = [asdict(goal) | {"reached": goal.reached} for goal in self.goals]
        plain = {"benchmark": self.name, "machine": machine(), "rows": self.rows, "goals": goals, "notes": self.notes}
        path.write_text(json.dumps(plain, indent=2) + "\n")


def _goal_row(goal: Goal) -> dict[str, object]:
    sign = "≥" if goal.at_least else "≤"
    mark = "reached" if goal.reached else "MISSED"
    return {
        "goal": goal.name,
        "measured": f"{goal.value:.3g} {goal.unit}",
        "target": f"{sign} {goal.target:g}",
        "": mark,
    }


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def table(rows: Sequence[Mapping[str, object]]) -> str:
    if not rows:
        return "(no rows)"
    cells = [[*rows[0]]] + [[_cell(row.get(key, "")) for key in rows[0]] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def interleaved(cases: Mapping[str, Callable[[], object]], rounds: int, warm: int = 1) -> dict[str, list[float]]:
    """Seconds of each case in each round; the cases take turns, so that a noisy minute hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(warm + rounds):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            if turn >= warm:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in seconds.items()}


def fresh_process(arguments: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    """Run a command to its end with its output swallowed; a failure shows it."""
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment(env or {}), check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours and more; bytecode is kept between runs, as every installed package has it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | dict(more)


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def peak_rss_mb() -> float:
    """Of this process so far. Linux's rusage would count the parent before exec too, so /proc is asked first."""
    status = Path("/proc/self/status")
    if status.exists():
        high_water = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(high_water.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
