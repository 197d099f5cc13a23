"""Compares two sets of runs: is B slower than A, or is it the noise? A permutation test, which assumes no distribution.

The figures of each run are compared by their logarithms, so a change is a factor. Under the hypothesis that nothing
changed, any run could have been in either set: the p-value is the share of all assignments that look at least as bad.
Several figures are judged together (Holm), so that one of them is not found by chance.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.errors import InvalidScenario
from perkie_cli.domain.frozen import frozen
from perkie_cli.loadtest.reading.table import read_text
from perkie_cli.loadtest.report import SCHEMA

ALPHA = 0.05
EXACT = 20_000  # assignments; more are drawn at random
LARGEST = 16.0  # the largest factor that is looked for
TINY = 1e-6  # seconds or share: a figure of 0 has no logarithm

Values = NDArray[np.float64]


@frozen
class Measure:
    """A figure of a report; ``floor``: changes between values below it mean nothing."""

    name: str
    read: Callable[[Mapping[str, Any]], float | None]
    floor: float
    more_is_worse: bool = True


def _latency(name: str) -> Measure:
    return Measure(name, lambda total: total["latency"][name], 0.001)


MEASURES = (
    _latency("p50"),
    _latency("p95"),
    _latency("p99"),
    Measure("error_rate", lambda total: total["error_rate"], 0.001),
    Measure("rate", lambda total: total["rate"], 0.001, more_is_worse=False),
)


@frozen
class Change:
    """One figure of both sides. ``ratio``: B to A; ``detectable``: the smallest worsening that would have been found.

    ``p`` and ``detectable`` are None where there are too few runs to judge. ``regressed``: worse, and not by chance.
    """

    measure: str
    a: float
    b: float
    ratio: float
    p: float | None
    detectable: float | None
    regressed: bool


@frozen
class Comparison:
    """Every figure, and whether there were enough runs to judge."""

    changes: tuple[Change, ...]
    runs: tuple[int, int]
    judged: bool

    @property
    def regressions(self) -> list[Change]:
        """What got worse."""
        return [change for change in self.changes if change.regressed]


def compare(
    a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]], *, least: float = 0.05, seed: int = 0
) -> Comparison:
    """Compares reports that were read back. ``least``: smaller worsenings are no regression, 0.05 for 5 %."""
    judged = enough(len(a), len(b))
    found: list[tuple[Measure, Values, Values]] = []
    for measure in MEASURES:
        sides = [[measure.read(report["total"]) for report in side] for side in (a, b)]
        if all(value is not None for side in sides for value in side):
            first, second = (np.maximum(np.array(side, dtype=np.float64), measure.floor) for side in sides)
            found.append((measure, first, second))
    values = [p_value(_worse(measure, first, second), len(first), seed) for measure, first, second in found]
    lost = holm(values) if judged else [False] * len(values)
    rows = zip(found, values, lost, strict=True)
    changes = tuple(_change(*each, p, bad, judged=judged, least=least, seed=seed) for each, p, bad in rows)
    return Comparison(changes, (len(a), len(b)), judged)


def _change(
    measure: Measure, a: Values, b: Values, p: float, lost: bool, *, judged: bool, least: float, seed: int
) -> Change:
    middle_a, middle_b = float(np.exp(np.log(a).mean())), float(np.exp(np.log(b).mean()))
    ratio = middle_b / middle_a
    worsening = ratio if measure.more_is_worse else 1 / ratio
    smallest = detectable(_worse(measure, a, b), len(a), seed) if judged else None
    return Change(
        measure.name, middle_a, middle_b, ratio, p if judged else None, smallest, lost and worsening >= 1 + least
    )


def _worse(measure: Measure, a: Values, b: Values) -> Values:
    """Logarithms of all runs, A first; greater is worse."""
    logs: Values = np.log(np.concatenate([a, b]))
    return logs if measure.more_is_worse else -logs


def enough(a: int, b: int) -> bool:
    """Whether the best possible result, all of B worse than all of A, would be no chance."""
    return 1 / comb(a + b, a) * len(MEASURES) <= ALPHA


def p_value(values: Values, first: int, seed: int = 0) -> float:
    """The share of assignments in which the second group's mean lies above the first one's by at least as much."""
    members = _assignments(len(values), first, seed)
    total, rest = values.sum(), len(values) - first
    sums = values[members].sum(axis=1)
    differences = (total - sums) / rest - sums / first
    observed = differences[0]
    return float(np.mean(differences >= observed - 1e-12))


def _assignments(count: int, first: int, seed: int) -> NDArray[np.int64]:
    """Members of the first group in each assignment; the real one is the first row."""
    if comb(count, first) <= EXACT:
        return np.array(list(combinations(range(count), first)), dtype=np.int64)
    dice = np.random.default_rng(seed)
    drawn = dice.random((EXACT, count)).argsort(axis=1)[:, :first]
    return np.vstack([np.arange(first), drawn]).astype(np.int64)


def holm(values: Sequence[float]) -> list[bool]:
    """Which of several p-values are no chance, all together."""
    lost = [False] * len(values)
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        if values[index] * (len(values) - rank) > ALPHA:
            break
        lost[index] = True
    return lost


def detectable(values: Values, first: int, seed: int = 0) -> float | None:
    """The smallest worsening, as a factor, that these runs' noise would have let through; None above ``LARGEST``."""
    still = np.concatenate([values[:first] - values[:first].mean(), values[first:] - values[first:].mean()])

    def found(shift: float) -> bool:
        moved = still.copy()
        moved[first:] += shift
        return p_value(moved, first, seed) * len(MEASURES) <= ALPHA

    low, high = 0.0, float(np.log(LARGEST))
    if not found(high):
        return None
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return float(np.exp(high))


def read_report(file: Path) -> Mapping[str, Any]:
    """A JSON report that can be compared.

    Raises: InvalidScenario, naming file and field.
    """
    try:
        table = json.loads(read_text(file))
    except ValueError as error:
        raise InvalidScenario(f"{file} is not JSON: {error}") from error
    if not isinstance(table, dict) or table.get("schema") != SCHEMA:
        found = table.get("schema") if isinstance(table, dict) else None
        raise InvalidScenario(f"{file}: schema is {found!r}, not {SCHEMA!r}", hint="Give reports of load-test run.")
    try:
        numbers = [measure.read(table["total"]) for measure in MEASURES]
        name = table["scenario"]["name"]
    except (KeyError, TypeError) as error:
        raise InvalidScenario(f"{file}: the field {error} is missing or wrong") from error
    if not isinstance(name, str) or any(not isinstance(each, int | float | None) for each in numbers):
        raise InvalidScenario(f"{file}: a figure of total is not a number")
    if table.get("status") in ("invalid", "interrupted"):
        raise InvalidScenario(f"{file}: the run is {table['status']}, so it cannot be compared")
    return table
