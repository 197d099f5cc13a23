"""Two commands at once over the same photos."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CAT, ROOT
from tests.e2e.test_stylize_gemini import Emulator, emulating


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulating("--picture", "tiny") as running:
        yield running


def test_two_commands_at_once_pay_once(tmp_path: Path, emulator: Emulator) -> None:
    for number in range(4):
        (tmp_path / f"pet{number}.png").write_bytes(CAT.read_bytes() + bytes([number]))
    emulator.plan({"kind": "slow", "seconds": 0.5})
    env = {**os.environ, "PYTHONPATH": str(ROOT), "GOOGLE_GEMINI_BASE_URL": emulator.url, "GEMINI_API_KEY": "any"}
    photos = sorted(map(str, tmp_path.glob("*.png")))
    command = [sys.executable, "-m", "perkie_cli", "stylize", *photos, "-s", "ink_wash"]
    both = [subprocess.Popen([*command, "--out-dir", str(tmp_path / name)], env=env) for name in ("one", "two")]
    assert [process.wait(100) for process in both] == [0, 0]
    assert emulator.calls == 4
    for made in (tmp_path / "one").iterdir():
        assert made.read_bytes() == (tmp_path / "two" / made.name).read_bytes()
