"""The shipped experiments pass against `perkie serve`, and fail when the protection that they are about is taken away.

``tests/unprotected.py`` is the server without it.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from perkie_cli.loadtest.chaos.document.shipped import shipped
from tests.integration.chaos.experiments import ChaosRun

pytestmark = pytest.mark.timeout(900)
QUICK = {"storage-down"}  # the others take up to two minutes
# experiment, protection, and the check that notices
TAKEN = [
    ("gemini-outage", "breaker", "probe the breaker is open"),
    ("gemini-outage", "fallback", "probe everybody got a picture of the own pet"),
    ("gemini-slow", "guard", "probe everybody got a picture of the own pet"),
    ("gemini-slow", "fallback", "probe everybody got a picture of the own pet"),
    ("gemini-429", "guard", "probe all pictures are Gemini's"),
    ("gemini-corrupt", "fallback", "probe everybody got a picture of the own pet"),
    ("storage-down", "translation", "probe everybody got a picture of the own pet"),
    ("storage-slow", "time_limit", "probe everybody got a picture of the own pet"),
    ("firestore-down", "memory", "probe everybody got a picture of the own pet"),
    ("firestore-contention", "reservation", "steady state after the method"),
    ("kill-server", "lease", "steady state after the method"),
    ("cold-start-spike", "reservation", "steady state after the method"),
    ("sigterm-under-load", "shutdown", "probe everybody got a picture of the own pet"),
    ("matting-down", "stand_in", "probe everybody got a picture of the own pet"),
]


def unprotected(protection: str) -> str:
    return shlex.join([sys.executable, "-m", "tests.unprotected", protection])


def cases(names: Sequence[tuple[str, ...]], quick: set[str]) -> list[object]:
    return [
        pytest.param(*each, id="-".join(each[:2]), marks=() if each[0] in quick else pytest.mark.slow) for each in names
    ]


@pytest.mark.parametrize("name", cases([(name,) for name in shipped()], QUICK))
def test_a_shipped_experiment_passes(tmp_path: Path, name: str) -> None:
    run = ChaosRun(tmp_path, name)
    assert run.end(800) == (0, {}), run.stderr
    assert run.steady_again


@pytest.mark.parametrize(("name", "protection", "check"), cases(TAKEN, QUICK))
def test_it_fails_without_the_protection(tmp_path: Path, name: str, protection: str, check: str) -> None:
    run = ChaosRun(tmp_path, name, "--server", unprotected(protection))
    code, found = run.end(800)
    assert (code, found.get(check)) == (99, "failed"), run.stderr
    assert "steady state before" not in found, "it works as long as nothing happens"


def test_every_shipped_experiment_is_shown_to_fail() -> None:
    assert {name for name, _, _ in TAKEN} == set(shipped())
