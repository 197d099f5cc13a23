"""gcloud and gsutil, where they are on the machine, work against the storage emulator."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from perkie_cli.emulators.run import running
from perkie_cli.emulators.storage.server import StorageEmulator
from perkie_cli.emulators.tls import tls_for
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


@needs("gcloud")
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_gcloud_takes_trees_gzip_holds_and_retention(gcloud: Run, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("a/1.txt", "a/2.txt", "b.txt"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"hello {name}")
    await gcloud("buckets", "create", "gs://pets", "--uniform-bucket-level-access")
    await gcloud("cp", "-r", str(tree), "gs://pets/")
    await gcloud("managed-folders", "create", "gs://pets/tree/a")
    await gcloud("cp", "--gzip-local-all", str(tree / "b.txt"), "gs://pets/z.txt")
    await gcloud("cp", "gs://pets/z.txt", str(tmp_path / "z.txt"))
    assert (tmp_path / "z.txt").read_text() == "hello b.txt"
    await gcloud("objects", "compose", "gs://pets/tree/a/1.txt", "gs://pets/tree/a/2.txt", "gs://pets/both.txt")
    assert await gcloud("cat", "gs://pets/both.txt") == "hello a/1.txthello a/2.txt"
    await gcloud("objects", "update", "gs://pets/z.txt", "--temporary-hold")
    with pytest.raises(AssertionError, match="Temporary hold"):
        await gcloud("rm", "gs://pets/z.txt")
    await gcloud("objects", "update", "gs://pets/z.txt", "--no-temporary-hold")
    await gcloud("buckets", "update", "gs://pets", "--retention-period=1h")
    with pytest.raises(AssertionError, match="retention policy"):
        await gcloud("rm", "gs://pets/z.txt")
    await gcloud("buckets", "update", "gs://pets", "--clear-retention-period")
    await gcloud("rm", "-r", "gs://pets")
    with pytest.raises(AssertionError, match="matched no objects"):
        await gcloud("ls")


@pytest.fixture
async def gsutil(tmp_path: Path) -> AsyncIterator[Run]:
    """gsutil speaks https alone."""
    (tmp_path / "boto").write_text("")
    env = {"BOTO_CONFIG": str(tmp_path / "boto"), "CLOUDSDK_CORE_PASS_CREDENTIALS_TO_GSUTIL": "false"}
    env["CLOUDSDK_CONFIG"] = str(tmp_path / "gcloud")
    with tls_for("127.0.0.1", None, None, make=True) as (context, certificate):
        server = StorageEmulator(SystemClock(), tls=context)
        async with running(server):
            (tmp_path / "boto").write_text(
                f"[Credentials]\ngs_json_host = 127.0.0.1\ngs_json_port = {server.port}\n"
                f"[Boto]\nca_certificates_file = {certificate}\nnum_retries = 1\n"
                f"[GSUtil]\nprefer_api = json\ndefault_project_id = p\nstate_dir = {tmp_path / 'state'}\n"
                "software_update_check_period = 0\nparallel_process_count = 1\n"
            )

            async def run(*words: str) -> str:
                return await run_tool("gsutil", *words, env=env)

            yield run


@needs("gsutil")
async def test_gsutil_copies_lists_and_sets_lifecycles(gsutil: Run, tmp_path: Path) -> None:
    (tmp_path / "pet.bin").write_bytes(os.urandom(200_000))
    (tmp_path / "rules.json").write_text(json.dumps({"lifecycle": RULES}))
    await gsutil("mb", "gs://pets")
    await gsutil("cp", str(tmp_path / "pet.bin"), "gs://pets/shared/ab/pet.jpg")
    assert "200000" in await gsutil("ls", "-l", "gs://pets/**")
    await gsutil("lifecycle", "set", str(tmp_path / "rules.json"), "gs://pets")
    assert json.loads(await gsutil("lifecycle", "get", "gs://pets")) == RULES


@needs("gsutil")
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_gsutil_takes_gzip_compose_holds_and_trees(gsutil: Run, tmp_path: Path) -> None:
    (tmp_path / "pet.txt").write_text("hello " * 50_000)
    await gsutil("mb", "gs://pets")
    await gsutil("cp", "-J", str(tmp_path / "pet.txt"), "gs://pets/sent-packed.txt")
    await gsutil("cp", "-Z", str(tmp_path / "pet.txt"), "gs://pets/kept-packed.txt")
    assert await gsutil("cat", "gs://pets/sent-packed.txt") == "hello " * 50_000
    await gsutil("cp", "gs://pets/kept-packed.txt", str(tmp_path / "back.txt"))
    assert (tmp_path / "back.txt").read_text() == "hello " * 50_000
    await gsutil("compose", "gs://pets/sent-packed.txt", "gs://pets/sent-packed.txt", "gs://pets/both.txt")
    told = await gsutil("ls", "-L", "gs://pets/both.txt")
    assert ("Component-Count:        2" in told, "md5" in told) == (True, False)
    await gsutil("retention", "temp", "set", "gs://pets/both.txt")
    with pytest.raises(AssertionError):
        await gsutil("rm", "gs://pets/both.txt")
    await gsutil("retention", "temp", "release", "gs://pets/both.txt")
    with pytest.raises(AssertionError, match="not emulated"):
        await gsutil("acl", "get", "gs://pets")
    await gsutil("rm", "-r", "gs://pets")
    assert await gsutil("ls") == ""
