"""The script of gcloud commands: sh runs it, and gcloud knows every command and flag in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.deploy.test_manifests import files_of

RECORDER = """#!/bin/sh
printf '%s\\n' "$*" >> "$RECORD"
case "$*" in *" describe "*|*"schedules list"*) [ "$THERE" = yes ] && echo there || exit 1;; esac
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "settings").mkdir()
    for name, text in files_of(tmp_path / "settings").items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path / "production" / "setup.sh"


def commands_of(script: Path, there: str) -> Sequence[Sequence[str]]:
    """What it would have typed, where everything or nothing is there."""
    folder = script.parents[1] / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "gcloud").write_text(RECORDER)
    (folder / "gcloud").chmod(0o755)
    record = folder / f"record-{there}"
    env = {"PATH": f"{folder}:{os.environ['PATH']}", "RECORD": str(record), "THERE": there}
    subprocess.run(["sh", script], check=True, env=env, timeout=60)
    return [line.split() for line in record.read_text().splitlines()]


def test_it_creates_what_is_missing_and_leaves_what_is_there(script: Path) -> None:
    missing, there = commands_of(script, "no"), commands_of(script, "yes")
    created = {" ".join(words[: words.index("create")]) for words in missing if "create" in words}
    assert created == {
        *("iam service-accounts", "artifacts repositories", "secrets", "storage buckets", "firestore databases"),
        *("firestore backups schedules", "scheduler jobs"),
    }
    assert not [words for words in there if "create" in words]
    assert [words for words in there if words[:2] == ["scheduler", "jobs"] and "update" in words]
    bound = [words[:3] for words in there if "--role=roles/run.invoker" in words]
    assert ["run", "services", "add-iam-policy-binding"] in bound
    assert not [words for words in missing if "--role=roles/run.invoker" in words]  # the service is not there yet


def test_the_same_settings_give_the_same_bytes_in_every_process(script: Path, tmp_path: Path) -> None:
    found = set()
    for seed in ("1", "2"):
        words = [sys.executable, "-m", "perkie_cli", "deploy", "render", "--env", "production", "-o", seed]
        env = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(words, cwd=tmp_path / "settings", env=env, capture_output=True, text=True, check=True)
        files = [tmp_path / "settings" / line for line in done.stdout.splitlines()]
        found.add(tuple((file.name, file.read_bytes()) for file in files))
    assert [len(each) for each in found] == [9]


@pytest.mark.slow
def test_gcloud_knows_every_command_and_flag(script: Path, tmp_path: Path) -> None:
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        pytest.skip("gcloud is not installed")
    typed = re.findall(r"gcloud [^;|`\n]+? --quiet", script.read_text("utf-8"))
    commands = sorted({each.removesuffix(" --quiet") for each in typed})
    assert len(commands) > 40
    file = tmp_path / "commands.json"
    file.write_text(json.dumps([{"command_string": each} for each in commands]))
    done = subprocess.run(
        [gcloud, "meta", "lint-gcloud-commands", f"--commands-file={file}"], capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)
    assert len(found) == len(commands)
    assert [f"{each['error_message']}: {each['command_string']}" for each in found if not each["success"]] == []
