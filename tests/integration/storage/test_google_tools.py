"""gcloud and gsutil, where they are on the machine, work against the storage emulator."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from perkie_cli.emulators.storage.server import StorageEmulator
from perkie_cli.system.clock import SystemClock

Run = Callable[..., Awaitable[str]]
RULES = {
    "rule": [{"action": {"type": "Delete"}, "condition": {"daysSinceCustomTime": 7, "matchesPrefix": ["shared/"]}}]
}


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not on this machine")


async def run_tool(*command: str, env: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.fixture
async def gcloud(tmp_path: Path) -> AsyncIterator[Run]:
    server = StorageEmulator(SystemClock())
    await server.start()
    env = {
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{server.url}/storage/v1/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_PROJECT": "p",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
    }

    async def run(*words: str) -> str:
        return await run_tool("gcloud", "storage", *words, env=env)

    yield run
    await server.aclose()


@needs("gcloud")
async def test_gcloud_copies_lists_and_sets_lifecycles(gcloud: Run, tmp_path: Path) -> None:
    (tmp_path / "pet.bin").write_bytes(os.urandom(200_000))
    (tmp_path / "rules.json").write_text(json.dumps(RULES))
    await gcloud("buckets", "create", "gs://pets")
    await gcloud("cp", str(tmp_path / "pet.bin"), "gs://pets/shared/ab/pet.jpg")
    await gcloud("cp", "gs://pets/shared/ab/pet.jpg", str(tmp_path / "back.bin"))
    assert (tmp_path / "back.bin").read_bytes() == (tmp_path / "pet.bin").read_bytes()
    await gcloud("buckets", "update", "gs://pets", f"--lifecycle-file={tmp_path / 'rules.json'}", "--clear-soft-delete")
    described = json.loads(await gcloud("buckets", "describe", "gs://pets", "--format=json"))
    assert described["lifecycle_config"] == RULES
    await gcloud("mv", "gs://pets/shared/ab/pet.jpg", "gs://pets/cutouts/pet.jpg")


@pytest.fixture
async def gsutil(tmp_path: Path) -> AsyncIterator[Run]:
    """gsutil speaks https alone."""
    certificate = tmp_path / "server.pem"
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    await run_tool("openssl", *request, "-keyout", str(certificate), "-out", str(tmp_path / "crt.pem"), env={})
    certificate.write_text(certificate.read_text() + (tmp_path / "crt.pem").read_text())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    server = StorageEmulator(SystemClock(), tls=tls)
    await server.start()
    (tmp_path / "boto").write_text(
        f"[Credentials]\ngs_json_host = 127.0.0.1\ngs_json_port = {server.port}\n"
        "[Boto]\nhttps_validate_certificates = False\nnum_retries = 1\n"
        f"[GSUtil]\nprefer_api = json\ndefault_project_id = p\nstate_dir = {tmp_path / 'state'}\n"
        "software_update_check_period = 0\nparallel_process_count = 1\n"
    )
    env = {"BOTO_CONFIG": str(tmp_path / "boto"), "CLOUDSDK_CORE_PASS_CREDENTIALS_TO_GSUTIL": "false"}
    env["CLOUDSDK_CONFIG"] = str(tmp_path / "gcloud")

    async def run(*words: str) -> str:
        return await run_tool("gsutil", *words, env=env)

    yield run
    await server.aclose()


@needs("gsutil")
@needs("openssl")
async def test_gsutil_copies_lists_and_sets_lifecycles(gsutil: Run, tmp_path: Path) -> None:
    (tmp_path / "pet.bin").write_bytes(os.urandom(200_000))
    (tmp_path / "rules.json").write_text(json.dumps({"lifecycle": RULES}))
    await gsutil("mb", "gs://pets")
    await gsutil("cp", str(tmp_path / "pet.bin"), "gs://pets/shared/ab/pet.jpg")
    assert "200000" in await gsutil("ls", "-l", "gs://pets/**")
    await gsutil("lifecycle", "set", str(tmp_path / "rules.json"), "gs://pets")
    assert json.loads(await gsutil("lifecycle", "get", "gs://pets")) == RULES
