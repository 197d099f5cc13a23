"""What a command imports, it pays for at each start: nothing of what it does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import CAT, ROOT

HEAVY = {"numpy", "cv2", "PIL", "google", "torch", "fastapi", "grpc", "onnxruntime", "prometheus_client", "httpx2"}
INSPYRENET = {"perkie_cli.engines.inspyrenet.choose", "perkie_cli.engines.inspyrenet.engine"}
CUTTING = {"perkie_cli.services.cutouts.cut_out", *INSPYRENET}
GEMINI = {"google", "grpc", "perkie_cli.engines.gemini", "perkie_cli.bootstrap.engines.gemini"}
CODE = """
import atexit, sys
atexit.register(lambda: sys.stderr.write("\\n" + " ".join(sys.modules)))
from perkie_cli.cli.main import main
main()
"""


@pytest.fixture
def home(tmp_path: Path) -> Mapping[str, str]:
    places = {f"XDG_{kind}_HOME": str(tmp_path / kind.lower()) for kind in ("CONFIG", "CACHE", "STATE", "DATA")}
    return {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), **places}


def imported(home: Mapping[str, str], *args: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", CODE, *args], env=home, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "args", [("quota", "show", "--customer", "1"), ("cache", "stats"), ("models", "list")], ids=" ".join
)
def test_what_looks_at_records_imports_nothing_heavy(home: Mapping[str, str], args: tuple[str, ...]) -> None:
    assert imported(home, *args).isdisjoint(HEAVY)


def test_each_command_pays_for_its_own_rows_and_flags_only(home: Mapping[str, str]) -> None:
    others = {"perkie_cli.cli.rows", "perkie_cli.cli.making", "perkie_cli.imaging.headers"}
    for args in (("quota", "show", "--customer", "1"), ("cache", "stats"), ("state", "verify"), ("--version",)):
        assert imported(home, *args).isdisjoint(others), args


def test_who_stylizes_pays_for_no_cut_out_and_no_upstream(home: Mapping[str, str], tmp_path: Path) -> None:
    once = ("stylize", str(CAT), "--style", "ink_wash", "--size", "256", "-o", str(tmp_path / "cat.jpg"), "--force")
    drawn, found = imported(home, *once), imported(home, *once)
    assert "cv2" in drawn
    assert found.isdisjoint({"cv2", "numpy"})
    assert "perkie_cli.engines.u2net" in drawn, "a drawing follows the map of the pet"
    assert "perkie_cli.engines.u2net" not in found
    for modules in (drawn, found):
        assert modules.isdisjoint(CUTTING | GEMINI)


def test_who_cuts_out_roughly_pays_for_no_network(home: Mapping[str, str], tmp_path: Path) -> None:
    modules = imported(home, "remove-bg", str(CAT), "--engine", "builtin", "-o", str(tmp_path / "cat.png"))
    assert "perkie_cli.engines.u2net" in modules
    assert modules.isdisjoint({"torch", *INSPYRENET, *GEMINI})
    assert "perkie_cli.services.pictures.generate" not in modules


def test_a_cut_out_that_is_there_imports_nothing_to_make_it(home: Mapping[str, str], tmp_path: Path) -> None:
    once = ("remove-bg", str(CAT), "--engine", "builtin", "-o", str(tmp_path / "cat.png"))
    assert "cv2" in imported(home, *once)
    assert imported(home, *once).isdisjoint({"cv2", "numpy"})
