"""The rows of the JSON envelope of ``load-test``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perkie_cli.loadtest.report import Group, ThresholdRow


@dataclass(frozen=True, slots=True)
class LoadRunRow:
    """One run of a load test; the files in ``reports`` hold the rest."""

    scenario: str
    target: str
    status: str
    ending: str
    invalid: Sequence[str]
    seed: int
    started: str
    seconds: float
    thresholds: Sequence[ThresholdRow]
    total: Group
    reports: Sequence[Path]


@dataclass(frozen=True, slots=True)
class LoadChangeRow:
    """One figure of two sets of runs. ``ratio``: B to A; ``detectable``: the smallest factor that would be found.

    ``p`` and ``detectable`` are null where there are too few runs to judge.
    """

    measure: str
    a: float
    b: float
    ratio: float
    p: float | None
    detectable: float | None
    regressed: bool


@dataclass(frozen=True, slots=True)
class LoadScenarioRow:
    """One shipped scenario in brief; ``rate`` (requests a second) or ``users`` is the highest of its phases."""

    name: str
    title: str
    rate: float
    users: int
    duration: float
    requests: Sequence[str]
    thresholds: Sequence[str]


@dataclass(frozen=True, slots=True)
class LoadScenarioFileRow:
    """The TOML of a scenario."""

    name: str
    toml: str


@dataclass(frozen=True, slots=True)
class ChaosCheckRow:
    """One thing that an experiment looked at; ``message`` says why it is not ``passed``."""

    check: str
    verdict: str
    message: str


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """One shipped chaos experiment in brief."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class ExperimentFileRow:
    """The YAML of an experiment."""

    name: str
    yaml: str
