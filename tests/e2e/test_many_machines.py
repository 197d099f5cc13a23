"""Machines that share a bucket and Firestore, and nothing else: each process here has a disk of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.cloud import storage

from tests.buckets import buckets, storage_thread
from tests.conftest import CAT, ROOT, counts
from tests.e2e.test_stylize_gemini import Emulator, emulating
from tests.firestores import emulator_thread
from tests.integration.cli.test_cache_warm import ANN, upload

ITEMS = 6


@dataclass
class Cloud:
    """What all machines share. ``env`` leads to it."""

    gemini: Emulator
    uploads: storage.Bucket
    env: dict[str, str]
    folder: Path
    machines: int = 0

    def begin(self, *args: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Runs perkie on a machine of its own, whose disk is empty."""
        self.machines += 1
        disk = self.folder / f"machine{self.machines}"
        disk.mkdir()
        own = {f"XDG_{kind}_HOME": str(disk / kind.lower()) for kind in ("CONFIG", "CACHE", "STATE", "DATA")}
        return subprocess.Popen(
            [sys.executable, "-m", "perkie_cli", *args],
            cwd=disk,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.env, **own, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        process = self.begin(*args, env=env)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(args, process.returncode, stdout, stderr)

    def wait_for_calls(self, count: int, process: subprocess.Popen[str]) -> None:
        until = time.monotonic() + 90
        while self.gemini.calls < count:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Emulator, str, str]]:
    with emulating("--picture", "tiny") as gemini, storage_thread() as stored, emulator_thread() as firestore:
        yield gemini, stored.url, firestore.address


@pytest.fixture
def cloud(servers: tuple[Emulator, str, str], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cloud]:
    gemini, stored, firestore = servers
    gemini.call("DELETE", "plan")
    gemini.call("POST", "reset")
    name = f"shop{zlib.crc32(request.node.name.encode())}"  # the same in every run: shards follow from names
    env = {
        **{"GOOGLE_GEMINI_BASE_URL": gemini.url, "GEMINI_API_KEY": "any"},
        **{"STORAGE_EMULATOR_HOST": stored, "PERKIE_CACHE_STORE": "gcs", "PERKIE_CACHE_BUCKET": f"{name}-cache"},
        **{"FIRESTORE_EMULATOR_HOST": firestore, "GOOGLE_CLOUD_PROJECT": name, "PERKIE_QUOTA_STORE": "firestore"},
        **{"PERKIE_GEMINI_LEDGER": "firestore", "PERKIE_FIRESTORE_PATIENCE": "60s"},
    }
    with buckets(stored, f"{name}-uploads", f"{name}-cache") as (uploads, _):
        for number in range(ITEMS):
            uploads.blob(f"in/pet{number}.png").upload_from_string(CAT.read_bytes() + bytes([number]), "image/png")
        yield Cloud(gemini, uploads, env, tmp_path)


def test_a_retried_task_begins_on_an_empty_disk_and_pays_nothing_again(cloud: Cloud) -> None:
    command = ("stylize", f"gs://{cloud.uploads.name}/in/", "-s", "ink_wash", "--out-dir", "out", "--json")
    tasks = [{"CLOUD_RUN_TASK_INDEX": str(index), "CLOUD_RUN_TASK_COUNT": "2"} for index in range(2)]
    cloud.gemini.plan({"kind": "hang", "calls": [2]})
    killed = cloud.begin(*command, env=tasks[0])
    cloud.wait_for_calls(2, killed)
    killed.kill()
    killed.communicate()
    cloud.gemini.call("DELETE", "plan")
    retried = json.loads(cloud.run(*command, env=tasks[0]).stdout)
    assert retried["summary"]["cached"] == 1, "what the killed attempt had drawn"
    other = json.loads(cloud.run(*command, env=tasks[1]).stdout)
    assert retried["summary"]["total"] + other["summary"]["total"] == ITEMS
    assert cloud.gemini.calls == ITEMS + 1, "only the call in flight at the kill is paid again"
    again = json.loads(cloud.run(*command, env=tasks[0]).stdout)
    total = retried["summary"]["total"]
    assert counts(again["summary"]) == {"total": total, "cached": total}
    assert cloud.gemini.calls == ITEMS + 1
    spent = json.loads(cloud.run("cost", "report", "--json").stdout)["results"]
    assert sum(row["calls"] for row in spent) == ITEMS + 1, "also the call that was cut off, as possible spend"


def test_of_two_warmers_one_pays_and_a_dead_ones_work_is_taken_over(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cloud.env.items():
        monkeypatch.setenv(name, value)
    for number in range(3):
        upload(ANN, number=number)
    cloud.gemini.plan({"kind": "hang"})
    command = ("cache", "warm", "-s", "ink_wash", "--limit", "3", "--jobs", "1")
    first = cloud.begin(*command)
    cloud.wait_for_calls(1, first)
    second = cloud.run(*command)
    assert (second.returncode, second.stdout[:30]) == (0, "another warmer runs since 2026-"[:30]), second.stderr
    waiting = cloud.begin(*command, "--wait")
    first.kill()
    first.communicate()
    cloud.gemini.call("DELETE", "plan")
    stdout, stderr = waiting.communicate(timeout=120)
    assert stdout.startswith("warm: 3 drawn, 0 fresh"), stderr
    assert cloud.gemini.calls == 4
    fresh = cloud.run(*command)
    assert fresh.stdout.startswith("warm: 0 drawn, 3 fresh"), fresh.stderr
    assert cloud.gemini.calls == 4
