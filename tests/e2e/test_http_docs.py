"""What docs/http.md tells the reader to type works, and the example client speaks the server's language."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from PIL import Image

from tests import made_client
from tests.conftest import CAT, ROOT, Perkie
from tests.serving import ServerProcess, perkie_serve

EXAMPLES = ROOT / "examples" / "python"
CLIENT = EXAMPLES / "perkie_client.py"
NOT_FOR_CLIENTS = {"page", "widget", "metrics", "ops", "recent", "token", "removebg", "removebg_account"}
DOCS = (ROOT / "docs" / "http.md").read_text("utf-8")
SMALL = (480, 320)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    env = {"PERKIE_MATTING_ENGINE": "builtin", "PERKIE_STYLE_ENGINE": "local"}
    with perkie_serve(tmp_path_factory.mktemp("home"), env=env) as made:
        yield made


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    target = tmp_path / "cat.png"
    with Image.open(CAT) as image:
        image.resize(SMALL).save(target)
    return target


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("perkie_client")


def recipes() -> list[str]:
    (block,) = re.findall(r"```shell\n(.*?)```", DOCS, flags=re.S)
    return [line for line in block.splitlines() if line and not line.startswith("#")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_recipe_works(server: ServerProcess, photo_file: Path) -> None:
    assert len(recipes()) >= 12
    for recipe in recipes():
        done = subprocess.run(
            ["bash", "-euc", recipe], cwd=photo_file.parent, env={**os.environ, "PERKIE": server.url},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{recipe}\n{done.stdout}{done.stderr}{server.log}"
        assert '"type":"urn:perkie:problem' not in done.stdout, recipe
    with Image.open(photo_file.with_name("cat.webp")) as picture:
        assert picture.format == "WEBP"
    with Image.open(photo_file.with_name("cut.jpg")) as picture:
        assert picture.format == "JPEG"


def test_the_key_that_the_reader_makes_opens_the_server(perkie: Perkie, tmp_path: Path) -> None:
    (made,) = re.findall(r"^\s*\$ perkie (keys create .*)$", DOCS, flags=re.M)
    keys = []
    for _ in range(2):
        done = perkie(*shlex.split(made), env={"PERKIE_HTTP_API_KEYS": str(tmp_path / "keys.toml")})
        assert done.returncode == 0, done.stderr
        keys.append(done.stdout.strip())
    env = {"PERKIE_HTTP_API_KEYS": str(tmp_path / "keys.toml"), "PERKIE_HTTP_LINK_SECRET": "x" * 32}
    with perkie_serve(tmp_path, "--auth", "api-key", env=env) as server:
        for key in keys:
            named = httpx.get(
                f"{server.url}/api/v1/quota", params={"customer_id": "42"}, headers={"X-API-Key": key}, timeout=60
            )
            assert (named.status_code, named.json()["quota"]["tier"]) == (200, "customer")
        assert httpx.get(f"{server.url}/api/v1/quota", headers={"X-API-Key": "x"}, timeout=60).status_code == 401


def test_every_route_is_documented(server: ServerProcess) -> None:
    paths = set(httpx.get(f"{server.url}/openapi.json", timeout=60).json()["paths"]) - {"/"}
    assert {path for path in paths if f"{path}`" not in DOCS} == set()


def test_the_client_draws(server: ServerProcess, photo_file: Path, client: ModuleType) -> None:
    with client.Perkie(server.url, session_id="s1") as perkie:
        assert {style.id for style in perkie.styles()} >= {"ink_wash", "bw_fine_art"}
        picture = perkie.generate(photo_file, "ink_wash")
        again = perkie.generate(picture.image_hash, "ink_wash")
        assert (again.cache_hit, again.cache) == (True, "hit")
        assert perkie.image(picture.image_url).startswith(b"\xff\xd8\xff")
        assert picture.expires_at > picture.quota.reset_at.replace(year=2020)
        assert perkie.quota().tier == "session"
        assert perkie.remove_background(photo_file, output="mask").startswith(b"\x89PNG")
        batch = perkie.batch_generate(photo_file, ["classic", "modern"])
        assert [each.style for each in batch.results][1] == "ink_wash"
        kept = perkie.upload(photo_file, processed_ink=perkie.image(picture.image_url))
        assert [each.name for each in kept.uploads] == ["original", "processed_ink"]
        assert (perkie.health().status, perkie.ready().status) == ("ok", "ready")
        assert perkie.warmup().status == "warm"


def test_the_client_follows_a_process(server: ServerProcess, photo_file: Path, client: ModuleType) -> None:
    with client.Perkie(server.url, session_id="s1") as perkie:
        accepted, *steps, done = perkie.process(photo_file, styles="ink_wash")
    assert accepted.data.styles == ["ink_wash"]
    assert {step.event for step in steps} == {"cutout", "style"}
    assert all(step.data.result.width == SMALL[0] or step.data.success for step in steps)
    assert done.data.success


def test_the_client_raises_problems(server: ServerProcess, photo_file: Path, client: ModuleType) -> None:
    with client.Perkie(server.url) as perkie:
        with pytest.raises(client.PerkieError) as caught:
            perkie.generate(photo_file, "no such style")
        assert (caught.value.code, caught.value.problem.status) == ("unknown_style", 422)
        with pytest.raises(client.PerkieError, match="is not an image") as caught:
            next(perkie.process(b"no picture"))
        assert not caught.value.problem.retryable


def test_the_document_is_the_apps() -> None:
    assert made_client.document() == json.loads(made_client.DOCUMENT.read_text("utf-8")), "python -m tests.made_client"


def test_the_client_is_made_from_the_document(client: ModuleType) -> None:
    made = made_client.models("--check")
    assert made.returncode == 0, made.stdout + made.stderr
    paths = json.loads(made_client.DOCUMENT.read_text("utf-8"))["paths"].values()
    operations = {operation["operationId"] for path in paths for operation in path.values()}
    assert {name for name in operations - NOT_FOR_CLIENTS if not hasattr(client.Perkie, name)} == set()


def test_the_client_runs_by_itself(server: ServerProcess, photo_file: Path) -> None:
    command = [sys.executable, str(CLIENT), server.url, photo_file.name, "ink_wash"]
    done = subprocess.run(command, cwd=photo_file.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert photo_file.with_name("cat_ink_wash.jpg").exists()
