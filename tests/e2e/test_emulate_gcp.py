"""``perkie emulate gcp`` and ``firestore`` as processes, used by the other commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT, Perkie


@contextmanager
def emulating(*args: str, lines: int) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """The variables that it printed, and the process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "perkie_cli", "emulate", *args],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = dict(process.stdout.readline().strip().split("=", 1) for _ in range(lines))
        yield told, process
    finally:
        process.kill()
        process.communicate()


def test_quotas_live_in_the_emulated_firestore(perkie: Perkie) -> None:
    with emulating("gcp", "--storage-port", "0", "--firestore-port", "0", lines=2) as (told, process):
        assert set(told) == {"STORAGE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST"}
        env = {**told, "PERKIE_QUOTA_STORE": "firestore"}
        assert perkie("quota", "grant", "3", "--customer", "42", "--yes", env=env).returncode == 0
        shown = json.loads(perkie("quota", "show", "--all", "--json", env=env).stdout)
        assert shown["summary"]["store"].startswith("firestore:")
        assert [(each["counter"], each["limit"]) for each in shown["results"]] == [("customer:42", 8)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_faults_by_plan_and_live(perkie: Perkie, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('[[fault]]\nkind = "error"\ncode = "UNAVAILABLE"\n')
    with emulating("firestore", "--port", "0", "--plan", str(plan), lines=1) as (told, process):
        assert process.stderr is not None
        admin = process.stderr.readline().split()[2]
        env = {**told, "PERKIE_QUOTA_STORE": "firestore"}
        down = perkie("quota", "show", "--customer", "42", env=env)
        assert (down.returncode, "does not answer" in down.stderr) == (5, True)
        urllib.request.urlopen(urllib.request.Request(admin, method="DELETE"))
        assert perkie("quota", "show", "--customer", "42", env=env).returncode == 0


def test_a_plan_or_a_port_that_is_wrong_is_a_sentence(perkie: Perkie, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('[[fault]]\nkind = "error"\nshare = 2\n')
    wrong = perkie("emulate", "firestore", "--plan", plan)
    assert wrong.returncode == 3
    assert "fault 1: share" in wrong.stderr
    with emulating("firestore", "--port", "0", lines=1) as (told, _):
        taken = perkie("emulate", "firestore", "--port", told["FIRESTORE_EMULATOR_HOST"].rpartition(":")[2])
    assert taken.returncode == 2
    assert taken.stderr.startswith("error: cannot listen there")


def test_without_credentials_firestore_names_what_to_run(perkie: Perkie) -> None:
    env = {"PERKIE_QUOTA_STORE": "firestore", "NO_GCE_CHECK": "true"}
    done = perkie("quota", "show", "--customer", "42", env=env)
    assert done.returncode == 4
    assert "gcloud auth application-default login" in done.stderr
