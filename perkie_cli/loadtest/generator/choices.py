"""What each request is: its kind, photo and owner, drawn by the seed; the same for any number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from perkie_cli.loadtest.scenario import Scenario

BLOCK = 4096


class Choice(NamedTuple):
    """One request. ``photo`` is -1 for a call that sends none."""

    number: int
    call: int
    photo: int
    owner: int


def choices(scenario: Scenario, seed: int, worker: int = 0, workers: int = 1) -> Iterator[Choice]:
    """Every ``workers``-th choice of an endless row, from ``worker`` on."""
    sent = 0  # photos so far
    for first in range(0, 2**62, BLOCK):
        dice = np.random.default_rng([seed, 2, first])
        calls = _calls(scenario, dice)
        photos, sent = _photos(scenario, calls, sent, dice)
        owners = dice.integers(scenario.owners, size=BLOCK) if scenario.owners else np.arange(first, first + BLOCK)
        mine = slice((worker - first) % workers, None, workers)
        numbers = range(first, first + BLOCK)[mine]
        yield from map(Choice, numbers, calls[mine].tolist(), photos[mine].tolist(), owners[mine].tolist())


def _calls(scenario: Scenario, dice: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    weights = np.array([call.weight for call in scenario.calls])
    return np.asarray(dice.choice(len(weights), size=BLOCK, p=weights / weights.sum()), dtype=np.int64)


def _photos(
    scenario: Scenario, calls: np.ndarray[tuple[int], np.dtype[np.int64]], sent: int, dice: np.random.Generator
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], int]:
    """Photo numbers: repeats are below ``warm``, new ones count up from there at an even pace; and the count so far."""
    pool = scenario.photos
    carries = np.array([bool(call.photo) for call in scenario.calls])[calls]
    order = sent + np.cumsum(carries) - carries  # of the photos before this one
    fresh_before = np.ceil(order * (1 - pool.hit_rate) - 1e-9).astype(np.int64)
    fresh_after = np.ceil((order + 1) * (1 - pool.hit_rate) - 1e-9).astype(np.int64)
    repeats = dice.integers(max(pool.warm, 1), size=BLOCK)
    photos = np.where(fresh_after > fresh_before, pool.warm + fresh_before, repeats)
    return np.where(carries, photos, -1), sent + int(carries.sum())
