"""The Gemini suites in part, as if aiohttp were not installed: the SDK must take the same way with it and without."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

from tests.conftest import ROOT

SUITES = ["tests/integration/pictures/test_gemini_faults.py", "tests/integration/pictures/test_gemini_outage.py"]
# What depends on the way to the wire: each kind of failure once, connections not made, calls that are cancelled.
CHOSEN = "one_fault or no_connection or vertex or living or hang or drip or hundred"


def test_aiohttp_is_installed_here() -> None:
    """Else the suites themselves would have shown the other half."""
    assert importlib.util.find_spec("aiohttp") is not None


def test_the_suites_hold_without_aiohttp() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.without_aiohttp", *SUITES, "-k", CHOSEN]
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
