"""What docs/http.md tells the reader to type works, and the example client speaks the server's language."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from PIL import Image

from tests.conftest import CAT, ROOT
from tests.serving import ServerProcess, perkie_serve

CLIENT = ROOT / "examples" / "python" / "perkie_client.py"
DOCS = (ROOT / "docs" / "http.md").read_text("utf-8")
SMALL = (480, 320)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with perkie_serve(
        tmp_path / "home", env={"PERKIE_MATTING_ENGINE": "builtin", "PERKIE_QUOTA_SESSION": "50"}
    ) as made:
        yield made


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    target = tmp_path / "cat.png"
    with Image.open(CAT) as image:
        image.resize(SMALL).save(target)
    return target


@pytest.fixture(scope="module")
def client() -> ModuleType:
    spec = importlib.util.spec_from_file_location("perkie_client", CLIENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def recipes() -> list[str]:
    (block,) = re.findall(r"```shell\n(.*?)```", DOCS, flags=re.S)
    return [line for line in block.splitlines() if line and not line.startswith("#")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_recipe_works(server: ServerProcess, photo_file: Path) -> None:
    assert len(recipes()) >= 12
    for recipe in recipes():
        done = subprocess.run(
            ["bash", "-euc", recipe], cwd=photo_file.parent, env={"PERKIE": server.url, "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{recipe}\n{done.stdout}{done.stderr}{server.log}"
        assert '"type":"urn:perkie:problem' not in done.stdout, recipe
    with Image.open(photo_file.with_name("cat.webp")) as picture:
        assert picture.format == "WEBP"
    with Image.open(photo_file.with_name("cut.jpg")) as picture:
        assert picture.format == "JPEG"


def test_every_route_is_documented(server: ServerProcess) -> None:
    paths = set(httpx.get(f"{server.url}/openapi.json").json()["paths"]) - {"/"}
    assert {path for path in paths if f"{path}`" not in DOCS} == set()


def test_the_client_draws(server: ServerProcess, photo_file: Path, client: ModuleType) -> None:
    with client.Perkie(server.url, session="s1") as perkie:
        assert {style.id for style in perkie.styles()} >= {"ink_wash", "bw_fine_art"}
        picture = perkie.generate(photo_file, "ink_wash")
        assert perkie.generate(photo_file, "ink_wash").cache_hit
        assert perkie.download(picture.image_url).startswith(b"\xff\xd8\xff")
        assert perkie.quota().tier == "session"
        assert perkie.remove_background(photo_file, output="mask").startswith(b"\x89PNG")
        events = [name for name, _ in perkie.process(photo_file)]
        assert (events[0], events[-1]) == ("accepted", "done")
        with pytest.raises(client.PerkieError) as caught:
            perkie.generate(photo_file, "no such style")
        assert (caught.value.code, caught.value.status) == ("unknown_style", 422)


def test_the_client_knows_the_documents_fields(server: ServerProcess, client: ModuleType) -> None:
    schemas = httpx.get(f"{server.url}/openapi.json").json()["components"]["schemas"]
    for kind, schema in {
        client.Picture: "GenerateAnswer",
        client.Quota: "QuotaFacts",
        client.Style: "StyleFacts",
    }.items():
        assert {field.name for field in fields(kind)} == set(schemas[schema]["properties"])


def test_the_client_runs_by_itself(server: ServerProcess, photo_file: Path) -> None:
    command = [sys.executable, str(CLIENT), server.url, photo_file.name, "ink_wash"]
    done = subprocess.run(command, cwd=photo_file.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert photo_file.with_name("cat_ink_wash.jpg").exists()
