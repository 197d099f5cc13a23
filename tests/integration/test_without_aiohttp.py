"""The Gemini suites once more, as if aiohttp were not installed: the SDK must take the same way with it and without."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

OUTAGE = "tests/integration/test_gemini_outage.py"
SUITES = [
    "tests/integration/test_gemini_faults.py",
    f"{OUTAGE}::test_a_random_mix_of_faults",
    f"{OUTAGE}::test_a_hundred_identical_requests_make_one_call",
    f"{OUTAGE}::test_an_open_breaker_lets_one_probe_a_period_through",
]


def test_aiohttp_is_installed_here() -> None:
    """Else the suites themselves would have shown the other half."""
    assert importlib.util.find_spec("aiohttp") is not None


@pytest.mark.timeout(300)
def test_the_suites_hold_without_aiohttp() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.without_aiohttp", *SUITES]
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
