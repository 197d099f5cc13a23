"""The rows of the JSON envelope of ``load-test``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from perkie_cli.domain.frozen import frozen
from perkie_cli.loadtest.report import Group, ThresholdRow


@frozen
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


@frozen
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


@frozen
class LoadScenarioRow:
    """One shipped scenario in brief; ``rate`` (requests a second) or ``users`` is the highest of its phases."""

    name: str
    title: str
    rate: float
    users: int
    duration: float
    requests: Sequence[str]
    thresholds: Sequence[str]


@frozen
class LoadScenarioFileRow:
    """The TOML of a scenario."""

    name: str
    toml: str


@frozen
class ChaosCheckRow:
    """One thing that an experiment looked at; ``message`` says why it is not ``passed``."""

    check: str
    verdict: str
    message: str


@frozen
class ExperimentRow:
    """One shipped chaos experiment in brief."""

    name: str
    title: str


@frozen
class ExperimentFileRow:
    """The YAML of an experiment."""

    name: str
    yaml: str
