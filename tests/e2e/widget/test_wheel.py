"""What browsers get is in the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

STATIC = ROOT / "perkie_cli" / "http" / "static"


@pytest.mark.slow
def test_the_wheel_has_every_file_that_browsers_get(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=280, check=False)
    if "No matching distribution" in done.stderr:
        pytest.skip("hatchling cannot be had here")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        there = {name for name in packed.namelist() if name.startswith("perkie_cli/http/static/")}
    ours = {file.relative_to(ROOT).as_posix() for file in STATIC.rglob("*") if file.is_file()}
    assert there == ours
    assert len(ours) > 15
