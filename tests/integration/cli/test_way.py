"""How many files one picture goes through, counted by running; docs/architecture.md lists them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

DOCUMENT = (ROOT / "docs" / "architecture.md").read_text("utf-8")


@pytest.mark.parametrize(("face", "most"), [("cli", 26), ("http", 23)])
def test_the_way_of_one_picture_is_short_and_written_down(face: str, most: int, tmp_path: Path) -> None:
    homes = {f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "STATE", "DATA")}
    counted = subprocess.run(
        [sys.executable, "-m", "tests.way", face],
        cwd=ROOT, env={**os.environ, **homes}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    leading = json.loads(counted.stdout)["leading"]
    assert 8 <= len(leading) <= most
    assert [file for file in leading if f"`{file}`" not in DOCUMENT] == []


def test_every_file_that_the_document_names_is_there() -> None:
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", DOCUMENT))
    assert len(named) > 30
    assert [
        file for file in sorted(named) if not any((ROOT / place / file).exists() for place in ("", "perkie_cli"))
    ] == []
