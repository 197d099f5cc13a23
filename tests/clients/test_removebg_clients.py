"""The published clients of the remove.bg API, unchanged: Python's, Node's, and its maker's own command line in Go."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.clients.removebg_host import removebg_host
from tests.conftest import CAT
from tests.http_server import API_KEY, secured
from tests.serving import ServerProcess, perkie_serve

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PREVIEW = 250_000  # px


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    home = tmp_path_factory.mktemp("home")
    secured(home)  # for its file of keys
    env = {"PERKIE_MATTING_ENGINE": "builtin", "PERKIE_HTTP_API_KEYS": str(home / "keys.toml")}
    with perkie_serve(home, "--auth", "api-key", env={**env, "PERKIE_HTTP_RATE_BURST": "1000"}) as made:
        yield made


@pytest.fixture(scope="module")
def client_env(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with removebg_host(server.url, tmp_path_factory.mktemp("tls")) as env:
        yield {**os.environ, **env}


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    target = tmp_path / "cat.jpg"
    with Image.open(CAT) as image:
        image.convert("RGB").save(target)
    return target


# ------------------------------------------------------------------ Python


@pytest.fixture(scope="module")
def python_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ``removebg`` of the package index lies."""
    target = tmp_path_factory.mktemp("pip")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), "removebg==0.4"]
    subprocess.run(command, check=True, timeout=280)
    return target


def in_python(code: str, client: Path, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    head = f"from removebg import RemoveBg; client = RemoveBg({API_KEY!r}, 'errors.log'); "
    full = {**env, "PYTHONPATH": str(client)}
    command = [sys.executable, "-c", head + code]
    return subprocess.run(command, cwd=cwd, env=full, capture_output=True, text=True, timeout=120, check=False)


def test_pythons_client(python_client: Path, client_env: dict[str, str], photo_file: Path) -> None:
    code = "client.remove_background_from_img_file('cat.jpg', bg_color='81d4fa')"
    done = in_python(code, python_client, client_env, photo_file.parent)
    assert done.returncode == 0, done.stderr
    with Image.open(photo_file.with_name("cat.jpg_no_bg.png")) as picture:
        assert picture.format == "JPEG", "auto: nothing is transparent"
        assert picture.width * picture.height <= PREVIEW
    text = base64.b64encode(photo_file.read_bytes()).decode()
    photo_file.with_name("text").write_text(text)
    code = "client.remove_background_from_base64_img(open('text').read(), size='hd', new_file_name='hd.png')"
    done = in_python(code, python_client, client_env, photo_file.parent)
    assert done.returncode == 0, done.stderr
    with Image.open(photo_file) as before, Image.open(photo_file.with_name("hd.png")) as after:
        assert (after.format, after.mode, after.size) == ("PNG", "RGBA", before.size)


def test_pythons_client_is_told_that_addresses_are_not_fetched(
    python_client: Path, client_env: dict[str, str], tmp_path: Path
) -> None:
    code = "client.remove_background_from_img_url('https://example.com/cat.jpg')"
    done = in_python(code, python_client, client_env, tmp_path)
    assert "400 Client Error" in done.stderr


# ------------------------------------------------------------------ Node


def in_node(npm: Path, env: dict[str, str], function: str, **options: object) -> dict[str, Any]:
    command = ["node", str(npm / "removebg.cjs"), function, json.dumps({"apiKey": API_KEY, **options})]
    done = subprocess.run(command, cwd=npm, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_nodes_client(npm: Path, client_env: dict[str, str], photo_file: Path) -> None:
    told = in_node(npm, client_env, "removeBackgroundFromImageFile", path=str(photo_file))
    assert "result" in told, told
    result = told["result"]
    picture = Image.open(io.BytesIO(base64.b64decode(result["base64img"])))
    assert picture.width * picture.height <= PREVIEW
    assert (int(result["resultWidth"]), int(result["resultHeight"])) == picture.size
    assert (result["detectedType"], float(result["creditsCharged"])) == ("animal", 0)
    assert int(result["rateLimit"]) > 0
    assert int(result["rateLimitRemaining"]) > 0
    assert int(result["rateLimitReset"]) > 1_700_000_000


def test_nodes_client_crops_scales_and_sends_text(npm: Path, client_env: dict[str, str], photo_file: Path) -> None:
    options = {"size": "full", "crop": True, "crop_margin": "10% 20px", "scale": "50%", "position": "center"}
    text = base64.b64encode(photo_file.read_bytes()).decode()
    for more in (
        {"function": "removeBackgroundFromImageFile", "path": str(photo_file)},
        {"function": "removeBackgroundFromImageBase64", "base64img": text},
    ):
        function = more.pop("function")
        told = in_node(npm, client_env, function, **options, **more)
        assert "result" in told, told
        picture = Image.open(io.BytesIO(base64.b64decode(told["result"]["base64img"])))
        assert picture.mode == "RGBA"


def test_nodes_client_gets_the_errors_that_it_reads(npm: Path, client_env: dict[str, str], photo_file: Path) -> None:
    told = in_node(npm, client_env, "removeBackgroundFromImageUrl", url="https://example.com/cat.jpg")
    assert [each["code"] for each in told["errors"]] == ["failed_image_download"]
    told = in_node(npm, client_env, "removeBackgroundFromImageFile", path=str(photo_file), size="huge")
    assert [each["code"] for each in told["errors"]] == ["invalid_size"]
    wrong = {"apiKey": "wrong", "path": str(photo_file)}
    told = in_node(npm, client_env, "removeBackgroundFromImageFile", **wrong)
    assert [each["code"] for each in told["errors"]] == ["auth_failed"]


# ------------------------------------------------------------------ Go

GO_FIELDS = {"size": "auto", "format": "zip"}  # what its command line sends unless told otherwise


def composed(archive: bytes) -> Image.Image:
    """What the Go client makes of the archive: alpha.png as the alpha of color.jpg, both as it decodes them."""
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        colour = Image.open(io.BytesIO(files.read("color.jpg")))
        alpha = Image.open(io.BytesIO(files.read("alpha.png")))
        assert (colour.format, colour.mode, alpha.format, alpha.mode) == ("JPEG", "RGB", "PNG", "L")
        colour.putalpha(alpha)
        return colour


def test_gos_request_as_its_source_makes_it(server: ServerProcess, photo_file: Path) -> None:
    answer = httpx.post(
        f"{server.url}/v1.0/removebg", data=GO_FIELDS, files={"image_file": (photo_file.name, photo_file.read_bytes())},
        headers={"X-Api-Key": API_KEY, "User-Agent": "remove-bg-go-1.0"}, timeout=100,
    )  # fmt: skip
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with Image.open(photo_file) as photo:
        assert composed(answer.content).size == photo.size


@pytest.mark.skipif(
    "TEST_REMOVEBG_CLI" not in os.environ, reason="TEST_REMOVEBG_CLI does not name a built remove-bg/go"
)
@pytest.mark.parametrize(
    "flags", [[], ["--skip-png-format-optimization"], ["--size", "preview", "--bg-color", "green"]]
)
def test_the_makers_own_command_line(flags: list[str], client_env: dict[str, str], photo_file: Path) -> None:
    command = [os.environ["TEST_REMOVEBG_CLI"], photo_file.name, "--api-key", API_KEY, "--output-directory", "out"]
    done = subprocess.run(
        [*command, *flags], cwd=photo_file.parent, env=client_env, capture_output=True, text=True, check=False
    )
    made = list(photo_file.with_name("out").glob("*.png"))
    assert len(made) == 1, done.stdout + done.stderr
    with Image.open(made[0]) as picture:
        assert picture.mode == ("RGB" if "green" in flags else "RGBA"), "what is opaque is written without alpha"
