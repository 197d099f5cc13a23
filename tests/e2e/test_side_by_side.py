"""An older perkie and this one in turns on one state folder, as during a canary or after a rollback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from tests.conftest import ROOT, Perkie

OLDER = "83baa94"  # before the house was reshaped: other modules, an older ledger

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def older(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Run:
    """The command line of that version, from its own source."""
    archive = subprocess.run(["git", "archive", OLDER, "perkie_cli"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"no history with {OLDER} here")
    source = tmp_path_factory.mktemp("older")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(source, filter="data")
    env = {**os.environ, "PYTHONPATH": str(source)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "perkie_cli", *words]
        return subprocess.run(command, env=env, cwd=source, capture_output=True, text=True, timeout=100, check=False)

    where = run("config", "path")
    assert where.returncode == 0, where.stderr
    return run


def test_quotas_and_pictures_are_one(perkie: Perkie, older: Run, cat: Path, tmp_path: Path) -> None:
    """What one version writes, the other reads, adds to, and hands back."""
    versions: list[Run] = [older, perkie]
    for count, version in enumerate([*versions, older], start=1):
        granted = version("quota", "grant", "1", "--customer", "42", "--yes", "--json")
        assert granted.returncode == 0, granted.stderr
        assert json.loads(granted.stdout)["results"][0]["after"]["limit"] == 5 + count
    for number, version in enumerate(versions):
        out = tmp_path / f"{number}.png"
        drawn = version("stylize", str(cat), "--style", "bw_fine_art", "--size", "256", "-o", str(out))
        assert drawn.returncode == 0, drawn.stderr
        assert out.stat().st_size > 1000
    for version in versions:
        verified = version("cache", "verify")
        assert verified.returncode == 0, verified.stderr
