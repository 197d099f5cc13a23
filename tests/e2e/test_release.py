"""A release cut from the changelog: what it refuses, what is in its files, and that a failure changes nothing."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from datetime import date
from pathlib import Path

import pytest

from release import changelog
from release.__main__ import main
from tests import made_man_page
from tests.conftest import ROOT

LOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.1.0] - 2026-01-01\n\n- The first.\n"


def test_the_manual_page_is_that_of_the_commands() -> None:
    made = made_man_page.page()
    assert made_man_page.PAGE.read_text("utf-8") == made, "python -m tests.made_man_page"


@pytest.mark.skipif(shutil.which("man") is None, reason="no man here")
def test_the_manual_page_is_one_for_man() -> None:
    done = subprocess.run(
        ["man", "--warnings", "-l", str(made_man_page.PAGE)], capture_output=True, text=True, timeout=60, check=False,
        env={"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert "perkie stylize" in done.stdout


def test_the_changelog_is_cut_at_its_head() -> None:
    cut = changelog.released(LOG, "0.2.0", date(2026, 12, 1))
    assert changelog.versions(cut) == ["0.2.0", "0.1.0"]
    assert changelog.unreleased(cut) == ""
    assert "## [0.2.0] - 2026-12-01\n\n### Added\n\n- A thing." in cut


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small repository like ours."""
    root = tmp_path / "project"
    (root / "perkie_cli").mkdir(parents=True)
    (root / "CHANGELOG.md").write_text(LOG)
    (root / "perkie_cli" / "__init__.py").write_text('__version__ = "0.1.0"\n')
    (root / "pyproject.toml").write_text("no toml")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], cwd=root, check=True)
    return root


@pytest.mark.parametrize(
    ("version", "log", "said"),
    [
        ("next", LOG, "is not a version"),
        ("0.1.0", LOG, "0.1.0 was released already"),
        ("0.0.9", LOG, "0.1.0 was released already"),
        ("0.2.0", LOG.replace("- A thing.\n", ""), "nothing to release"),
        ("0.2.0", LOG.replace("## [Unreleased]", ""), "no section"),
    ],
)
def test_what_is_no_release_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], version: str, log: str, said: str
) -> None:
    (project / "CHANGELOG.md").write_text(log)
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "y"], cwd=project, check=False
    )
    assert main([version, "--dry-run"], project) == 3
    assert said in capsys.readouterr().err


def test_a_dirty_tree_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "left over").write_text("x")
    assert main(["0.2.0", "--dry-run"], project) == 3
    assert "the working tree has changes" in capsys.readouterr().err


def test_a_build_that_fails_changes_nothing(project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["0.2.0", "--out", str(tmp_path / "dist")], project) == 3
    assert "failed" in capsys.readouterr().err
    status = subprocess.run(["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, check=True)
    assert status.stdout == ""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_files_of_a_release(tmp_path: Path) -> None:
    """From a clone: version, manual page, completions, data, bill of materials, checksums."""
    clone, out = tmp_path / "clone", tmp_path / "dist"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "release", "9.9.9", "--out", str(out)], cwd=clone, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "git tag -a v9.9.9" in done.stderr
    assert re.search(r"^## \[9\.9\.9\] - \d", (clone / "CHANGELOG.md").read_text(), re.M)
    wheel, sdist = out / "perkie_cli-9.9.9-py3-none-any.whl", out / "perkie_cli-9.9.9.tar.gz"
    names = zipfile.ZipFile(wheel).namelist()
    for ending in ("man1/perkie.1", "completions/perkie", "_perkie", "u2netp.onnx", "data/models.toml", "slo.yaml"):
        assert any(name.endswith(ending) for name in names), ending
    assert not [name for name in names if name.startswith(("tests", "release"))]
    with tarfile.open(sdist) as tar:
        assert "perkie_cli-9.9.9/images/artistic.Dockerfile" in tar.getnames()
    bill = json.loads((out / "perkie_cli-9.9.9.cdx.json").read_text())
    components = {each["name"]: each["version"] for each in bill["components"]}
    assert components["perkie-cli"] == "9.9.9"
    assert {"fastapi", "numpy", "google-genai"} <= set(components)
    for line in (out / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
