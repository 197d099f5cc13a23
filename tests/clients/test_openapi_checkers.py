"""Other people's readers of the API: checkers and generators over its document, and a client that follows a stream."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from perkie_cli.config.schema import HttpSettings
from tests.clients.conftest import HERE
from tests.conftest import ROOT
from tests.http_server import PHOTO64, running
from tests.made_client import DOCUMENT

# What schemathesis 4.32 stumbles over now and then while it makes up a form with a file; it is no answer of the API's.
OWN_FAULT = "Unsupported type: 'Binary'"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def run(npm: Path, *command: str) -> subprocess.CompletedProcess[str]:
    program = npm / "node_modules" / ".bin" / command[0]
    done = subprocess.run([program, *command[1:]], cwd=npm, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_redocly_has_nothing_to_say(npm: Path) -> None:
    run(npm, "redocly", "lint", "--extends=recommended-strict", str(DOCUMENT))


def test_spectral_has_nothing_to_say(npm: Path) -> None:
    run(npm, "spectral", "lint", "--fail-severity=hint", "-r", str(HERE / ".spectral.yaml"), str(DOCUMENT))


def test_typescript_may_leave_out_what_may_be_left_out(npm: Path) -> None:
    types = run(npm, "openapi-typescript", str(DOCUMENT)).stdout
    body = re.search(r"\n {8}GenerateBody: \{(.*?)\n {8}\};", types, flags=re.S)
    assert body is not None
    fields = set(re.findall(r"\n {12}(\w+\??):", body[1]))
    assert {"style", "customer_id?", "session_id?", "image_data?", "image_hash?"} <= fields
    answers = re.search(r"\n {8}GenerateAnswer: \{(.*?)\n {8}\};", types, flags=re.S)
    assert answers is not None
    assert "?:" not in answers[1], "every field of an answer is there"


@pytest.mark.parametrize("seed", ["1", "20", "300"])
async def test_schemathesis_finds_nothing(seed: str, tmp_path: Path) -> None:
    async with running(HttpSettings(warmups=1)) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.client.base_url}/openapi.json"),
            *("--seed", seed, "--generation-database", "none"),
            cwd=shutil.copytree(ROOT, tmp_path / "run", ignore=lambda _, names: set(names) - {"schemathesis.toml"}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told = (await process.communicate())[0].decode()
    assert "Tested: 15" in told, told[-6000:]
    assert "= FAILURES =" not in told, told[-6000:]
    assert process.returncode == 0 or set(re.findall(r"Runtime Error\n\n(.+)", told)) == {OWN_FAULT}, told[-6000:]


async def test_a_client_that_reconnects_is_ended_and_starts_nothing(npm: Path) -> None:
    body = json.dumps({"image_data": PHOTO64, "styles": "modern"})
    async with running() as server:
        url = f"{server.client.base_url}/api/v2/process"
        process = await asyncio.create_subprocess_exec(
            "node", "stream.mjs", url, body, cwd=npm, stdout=asyncio.subprocess.PIPE
        )
        told = json.loads((await process.communicate())[0])
        assert server.engine.calls == 1
    assert told == ["POST", "accepted", "cutout", "style", "done", "POST end", "closed 204"]
