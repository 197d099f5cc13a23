"""When requests are sent: absolute times, made before the start, so that nothing drifts and nothing bunches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perkie_cli.loadtest.scenario import Phase, Scenario, Spacing

Times = NDArray[np.float64]
Numbers = NDArray[np.int64]


def arrivals(scenario: Scenario, seed: int) -> tuple[Times, Numbers]:
    """Seconds after the start of each arrival, in order, and the number of its phase."""
    dice = np.random.default_rng([seed, 1])
    parts = [_phase(phase, scenario.spacing, dice) for phase in scenario.phases]
    begins = np.cumsum([0.0, *(phase.duration for phase in scenario.phases[:-1])])
    times = np.concatenate([begin + part for begin, part in zip(begins, parts, strict=True)])
    return times, np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def _phase(phase: Phase, spacing: Spacing, dice: np.random.Generator) -> Times:
    """The times at which the expected number of arrivals reaches 0, 1, 2, … or the sums of random gaps around 1."""
    if spacing is Spacing.EVEN:
        return _when(phase, np.arange(round(phase.arrivals), dtype=np.float64))
    count = dice.poisson(phase.arrivals)  # a Poisson process: so many, each anywhere
    return _when(phase, np.sort(dice.uniform(0.0, phase.arrivals, count)))


def _when(phase: Phase, counts: Times) -> Times:
    """When ``counts`` arrivals have come: the inverse of rate × t + slope × t² / 2."""
    slope = (phase.end_rate - phase.rate) / phase.duration
    root = np.sqrt(np.maximum(phase.rate**2 + 2 * slope * counts, 0.0))
    whole = phase.rate + root  # 0 only for the first arrival of a rate that begins at 0
    return np.divide(2 * counts, whole, out=np.zeros_like(counts), where=whole > 0)
