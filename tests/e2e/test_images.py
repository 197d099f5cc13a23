"""The container images: built here without a daemon or a registry, run as nobody in particular, and measured."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests import images
from tests.conftest import CAT, ROOT

DOCKERFILES = sorted((ROOT / "images").glob("*.Dockerfile"))
TAG = "perkie-artistic"
UID = 10001


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_a_dockerfile_passes_its_linter(path: Path) -> None:
    beside = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    if (linter := shutil.which("hadolint", path=beside)) is None:
        pytest.skip("no hadolint here")
    done = subprocess.run([linter, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_an_image_gets_nothing_but_the_product() -> None:
    """A key that lies in the working tree must not end in a layer."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule for rule in rules if rule.startswith("!")} == {
        "!pyproject.toml",
        "!README.md",
        "!LICENSE",
        "!perkie_cli",
        "!docs/perkie.1",
        "!completions",
    }


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[images.Builder]:
    """A builder with the base and the artistic image."""
    if (reason := images.missing()) is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("images")
    made = images.Builder(folder)
    made.base()
    made.build("artistic.Dockerfile", TAG)
    yield made
    made.buildah("umount", "--all")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def root(builder: images.Builder) -> Path:
    return builder.unpacked(TAG)


def in_image(root: Path, *words: str, **env: str) -> list[str]:
    """The command line that runs ``words`` in the image, as its user."""
    own = {
        "PATH": "/opt/perkie/bin:/usr/bin:/bin",
        "HOME": "/tmp",
        "XDG_STATE_HOME": "/state",
        "XDG_CACHE_HOME": "/cache",
    }
    variables = [f"{name}={value}" for name, value in {**own, **env}.items()]
    return ["chroot", f"--userspec={UID}:{UID}", str(root), "/usr/bin/env", "-i", *variables, *words]


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_image_says_what_it_is(builder: images.Builder) -> None:
    config = builder.config(TAG)
    assert config["User"] == f"{UID}:{UID}"
    assert (config["Entrypoint"], config["Cmd"]) == (["perkie"], ["serve"])
    assert "8080" in str(config["ExposedPorts"])
    env = dict(each.split("=", 1) for each in config["Env"])
    assert (env["PERKIE_HTTP_HOST"], env["PERKIE_HTTP_ROLE"]) == ("0.0.0.0", "artistic")
    assert not [name for name in env if "KEY" in name or "SECRET" in name]


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_it_is_small_compiled_and_holds_no_tools(root: Path) -> None:
    venv = root / "opt/perkie"
    size = sum(path.lstat().st_size for path in venv.rglob("*") if path.is_file() and not path.is_symlink())
    print(f"the virtual environment in the image: {size / 1e6:.0f} MB")
    assert not (root / "src").exists()
    assert not list(venv.glob("bin/pip*"))
    assert not list(venv.glob("lib/*/site-packages/torch"))
    source = next(venv.glob("lib/*/site-packages/perkie_cli"))
    compiled = {path.name.partition(".")[0] for path in source.rglob("__pycache__/*.pyc")}
    assert {path.stem for path in source.rglob("*.py")} <= compiled


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_it_draws_without_a_network(root: Path) -> None:
    shutil.copy(CAT, root / "tmp" / "cat.png")
    (root / "tmp" / "cat.png").chmod(0o644)
    words = ("perkie", "stylize", "/tmp/cat.png", "--style", "ink_wash", "--size", "256", "-o", "/tmp/out.jpg")
    done = subprocess.run(in_image(root, *words), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert (root / "tmp" / "out.jpg").read_bytes().startswith(b"\xff\xd8\xff")


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_it_serves_as_its_own_user_and_stops_at_sigterm(root: Path) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {"PORT": str(port), "PERKIE_HTTP_HOST": "127.0.0.1", "PERKIE_HTTP_ROLE": "artistic"}
    began = time.monotonic()
    server = subprocess.Popen(in_image(root, "perkie", "serve", **env), stderr=subprocess.PIPE, text=True)
    try:
        while True:
            assert server.poll() is None, server.stderr.read() if server.stderr else ""
            assert time.monotonic() - began < 120, "it does not answer"
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.02)
        print(f"from the start to /health: {time.monotonic() - began:.2f} s")
        assert answer.status_code == 200
        assert Path(f"/proc/{server.pid}").stat().st_uid == UID
        assert httpx.get(f"http://127.0.0.1:{port}/ready", timeout=60).status_code == 200
        with CAT.open("rb") as photo:
            drawn = httpx.post(
                f"http://127.0.0.1:{port}/api/v1/generate",
                files={"image": ("cat.png", photo, "image/png")},
                data={"style": "bw_fine_art", "session_id": "s1"},
                timeout=120,
            )
        assert drawn.status_code == 200, drawn.text[:500]
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_weights_that_are_not_the_published_ones_build_no_image(root: Path, tmp_path: Path) -> None:
    """What images/matting.Dockerfile runs at its end; its torch makes it too large to be built here."""
    assert "RUN perkie models verify" in (ROOT / "images" / "matting.Dockerfile").read_text()
    models = root / "tmp" / "models"
    models.mkdir(mode=0o755, exist_ok=True)
    for name in ("ckpt_base.pth", "ckpt_fast.pth"):
        (models / name).write_bytes(b"other weights")
    done = subprocess.run(
        in_image(root, "perkie", "models", "verify", PERKIE_MATTING_MODELS_DIR="/tmp/models", PERKIE_OFFLINE="true"),
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 8, done.stdout + done.stderr
