"""Examples that other programs read (Cloud Run, cron, systemd) type commands of perkie that exist."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from perkie_cli.bootstrap import build_services
from perkie_cli.config.load import load
from tests.conftest import Perkie

EXAMPLES = Path(__file__).parents[3] / "examples"
JOBS = sorted((EXAMPLES / "cloud-run").glob("*.yaml"))


def container(path: Path) -> dict[str, Any]:
    job = yaml.safe_load(path.read_text("utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("run.googleapis.com/v1", "Job")
    (only,) = job["spec"]["template"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def typed(text: str) -> Iterator[list[str]]:
    """The commands of perkie in a line or comment, without redirections."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if found := re.search(r"(?:^|[\s#])perkie ((?!cache's)[a-z-]+ .*)", line):
            yield [word for word in shlex.split(re.split(r"\s*(?:\d?>|&&|\|)", found[1])[0]) if word]


def commands() -> Iterator[Any]:
    for path in JOBS:
        one = container(path)
        assert one["command"] == ["perkie"]
        yield pytest.param(one["args"], id=path.name)
        comments = "\n".join(line[1:] for line in path.read_text("utf-8").splitlines() if line.startswith("#  "))
        for words in typed(comments):
            yield pytest.param(words, id=f"{path.name}: {' '.join(words[:2])}")
    for line in (EXAMPLES / "cron" / "crontab").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            (words,) = typed(line)
            yield pytest.param(words, id=f"crontab: {' '.join(words[:2])}")
    unit = (EXAMPLES / "cron" / "perkie-warm.service").read_text("utf-8")
    (start,) = re.findall(r"(?m)^ExecStart=/usr/bin/env perkie (.*)$", unit)
    yield pytest.param(shlex.split(start), id="perkie-warm.service")


@pytest.mark.parametrize("words", commands())
def test_every_command_takes_what_it_is_given(words: list[str], perkie_here: Perkie, tmp_path: Path) -> None:
    """With ``--help`` behind it nothing runs, but a wrong command is told; each option is in that help."""
    done = perkie_here(*words, "--help")
    assert done.returncode == 0, done.stderr
    help_ = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    options = [word.partition("=")[0] for word in words if word.startswith("-")]
    assert [option for option in options if option not in ("-q", "--quiet") and option not in help_] == []


def test_the_nightly_commands_run_dry(perkie_here: Perkie, tmp_path: Path) -> None:
    warm = container(EXAMPLES / "cloud-run" / "warm.yaml")["args"]
    assert perkie_here(*warm, "--dry-run").stdout.startswith("warm: 0 drawn, 0 fresh")
    (tmp_path / "inbox").mkdir()
    (words,) = [words for line in (EXAMPLES / "cron" / "crontab").read_text("utf-8").splitlines()
                for words in typed(line) if words[0] == "stylize"]  # fmt: skip
    here = [word.replace("$HOME", str(tmp_path)) for word in words]
    assert perkie_here(*here, "--dry-run").returncode == 0, "an empty inbox is no error"


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_the_variables_of_a_job_are_settings(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in container(path)["env"]:
        monkeypatch.setenv(each["name"], each["value"].replace("BUCKET-CACHE", "shop-cache"))
    loaded = load()
    assert not loaded.warnings
    settings = build_services(loaded.settings).settings
    assert (settings.cache.store, settings.cache.bucket, settings.quota.store) == ("gcs", "shop-cache", "firestore")
    assert settings.gemini.ledger == "firestore"


def test_the_timer_starts_the_service_at_a_time_that_systemd_knows() -> None:
    timer = configparser.ConfigParser()
    timer.read(EXAMPLES / "cron" / "perkie-warm.timer")
    assert (EXAMPLES / "cron" / "perkie-warm.service").is_file(), "of the timer's name"
    if (analyze := shutil.which("systemd-analyze")) is None:
        pytest.skip("no systemd-analyze on this machine")
    when = timer["Timer"]["OnCalendar"]
    told = subprocess.run([analyze, "calendar", when], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr


def test_the_scheduler_calls_the_job_that_is_there() -> None:
    script = (EXAMPLES / "cloud-run" / "schedule.sh").read_text("utf-8")
    assert subprocess.run(["sh", "-n", EXAMPLES / "cloud-run" / "schedule.sh"], check=False).returncode == 0
    names = {yaml.safe_load(path.read_text("utf-8"))["metadata"]["name"] for path in JOBS}
    assert set(re.findall(r"jobs/([a-z-]+):run", script)) <= names
    (cron,) = re.findall(r'--schedule="([^"]+)"', script)
    assert len(cron.split()) == 5
