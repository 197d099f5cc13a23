"""An older perkie and this one in turns on one state folder, as during a canary or after a rollback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Perkie
from tests.e2e.test_stylize_gemini import emulating

OLDER = "83baa94"  # before the house was reshaped: other modules, an older ledger

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def older(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Run:
    """The command line of that version, from its own source."""
    archive = subprocess.run(["git", "archive", OLDER, "perkie_cli"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"no history with {OLDER} here")
    source = tmp_path_factory.mktemp("older")
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(source)}
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


def test_what_both_spend_stands_in_one_ledger(
    perkie: Perkie, older: Run, cat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older one knows no names: what it spends is nobody's, before and after this one has named some."""

    def draw(version: Run, number: int) -> subprocess.CompletedProcess[str]:
        photo = cat.with_name(f"{number}.png")
        photo.write_bytes(cat.read_bytes() + bytes([number]))
        return version("stylize", str(photo), "-s", "ink_wash", "--fallback", "none", "--customer", "42")

    with emulating("--picture", "tiny") as gemini:
        settings = {
            "GOOGLE_GEMINI_BASE_URL": gemini.url,
            "GEMINI_API_KEY": "any",
            "PERKIE_GEMINI_DAILY_CAP_USD": "0.12",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        versions: list[Run] = [older, perkie, older]
        for number, version in enumerate(versions):
            drawn = draw(version, number)
            assert drawn.returncode == 0, drawn.stderr
        assert draw(older, 3).returncode == 7, "all three count towards the cap"
    told = json.loads(perkie("cost", "report", "--by", "customer", "--json").stdout)["results"]
    assert [(each["customer"], each["calls"], each["pictures"]) for each in told] == [
        ("customer:42", 1, 1),
        ("unnamed", 2, 2),
    ]
