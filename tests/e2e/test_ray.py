"""``--runner ray`` on a real cluster of three nodes: the outputs of one machine, also when a node is lost."""

from __future__ import annotations

import asyncio
import json
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from perkie_cli.batch.jobs import Job
from perkie_cli.batch.photos.sources import FileSource
from perkie_cli.batch.pictures import Drawing
from perkie_cli.bootstrap import build_services
from perkie_cli.cli.batch.cluster import Opener
from perkie_cli.cli.batch.recipes import Cutting, Pets, Pictures
from perkie_cli.config.schema import GeminiSettings, Settings
from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.domain.pictures.request import CacheUse
from perkie_cli.domain.secret import Secret
from tests.conftest import CAT, ROOT, Perkie, counts
from tests.e2e.test_batch_kills import begin, wait_until
from tests.e2e.test_stylize_gemini import Emulator, emulating
from tests.made_weights import made_weights

LOCAL = ("-s", "bw_fine_art", "--size", "256", "--json", "--out-dir")


def test_what_a_node_needs_can_travel_to_it() -> None:
    drawing = Drawing(ImageFormat.WEBP, Owner.customer("42"), None, None, None, True, None, CacheUse.NORMAL)
    cutting = Cutting(partial(CutoutRequest, fallback=False))
    settings = Settings(gemini=GeminiSettings(api_key=Secret("sm://projects/p/secrets/key/versions/latest")))
    opener = Opener(settings, {}, Pets(cutting, Pictures(drawing, 9, frozenset())), cuts_out=True)
    travelled = pickle.loads(pickle.dumps(opener))
    assert travelled.settings == settings
    node = travelled()
    job = Job(FileSource(Path("pet.png")), Path("pet.webp"), "ink_wash")
    services = build_services(settings)
    assert node.maker.tag(job) == opener.recipe(services).tag(job)
    asyncio.run(node.close())
    asyncio.run(services.aclose())


def test_without_ray_the_command_names_the_extra(
    perkie_here: Perkie, cat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    done = perkie_here("stylize", str(cat), *LOCAL, "out", "--runner", "ray")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (9, "missing_extra")
    assert error["hint"] == "pip install 'perkie-cli[ray]'"


NO_RAY = "the extra ray is not installed"
# Ray listens on the machine's own address. In a network that has loopback only it takes that.
ALONE = {name for _, name in socket.if_nameindex()} == {"lo"}
alone = pytest.mark.skipif(not ALONE, reason="run by test_in_a_network_of_its_own")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(ALONE, reason="this is it")
def test_in_a_network_of_its_own() -> None:
    pytest.importorskip("ray", reason=NO_RAY)
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rn", "true"], check=False).returncode:
        pytest.skip("no network namespaces here")
    inside = f"ip link set lo up && exec {sys.executable} -m pytest -n 0 -q -m slow {Path(__file__)}"
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-c", inside], cwd=ROOT, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulating("--picture", "tiny") as running:
        yield running


def patiently(start: Callable[..., Any], **options: object) -> Any:
    """Ray gives a node 30 s to start, which is too little for a busy machine."""
    for last in (False, False, True):
        try:
            return start(**options)
        except Exception as error:
            if last or "timed out" not in str(error):
                raise
    raise AssertionError("the last one returns or raises")


NODE = {"num_cpus": 1, "object_store_memory": 80 * 1024 * 1024}


@pytest.fixture
def cluster(home: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Three nodes of one processor each; the driver is on the first one."""
    ray_cluster = pytest.importorskip("ray.cluster_utils", reason=NO_RAY)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PERKIE_GEMINI_DAILY_CAP_USD", "1000")
    running = ray_cluster.Cluster()
    for node in range(3):
        patiently(running.add_node, **NODE, **({} if node else {"include_dashboard": False}))
    running.wait_for_nodes()
    monkeypatch.setenv("RAY_ADDRESS", running.address)
    yield running
    running.shutdown()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        (folder / f"pet{number:02}.png").write_bytes(CAT.read_bytes() + bytes([number]))
    return folder


def body(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def same(one: Path, other: Path) -> bool:
    made = sorted(path.name for path in one.iterdir())
    assert made == sorted(path.name for path in other.iterdir())
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in made)


@alone
@pytest.mark.slow
@pytest.mark.timeout(800)
def test_a_cluster_makes_what_one_machine_makes_and_a_lost_node_costs_time_only(
    perkie: Perkie, tmp_path: Path, photos: Path, cluster: Any, emulator: Emulator
) -> None:
    (photos / "small.png").write_bytes(b"no picture")
    here = perkie("stylize", "photos", *LOCAL, "here", "--no-cache")
    there = perkie("stylize", "photos", *LOCAL, "there", "--no-cache", "--runner", "ray")
    assert counts(body(there)["summary"]) == counts(body(here)["summary"]) == {"total": 13, "done": 12, "failed": 1}
    assert same(tmp_path / "here", tmp_path / "there")
    facts = [{**row, "output": "", "processing_time": 0, "request_id": ""} for row in body(there)["results"]]
    assert facts == [{**row, "output": "", "processing_time": 0, "request_id": ""} for row in body(here)["results"]]

    env = {"GOOGLE_GEMINI_BASE_URL": emulator.url, "GEMINI_API_KEY": "any"}
    (photos / "small.png").unlink()
    emulator.plan({"kind": "slow", "seconds": 1})
    drawn = ("stylize", "photos", "-s", "ink_wash", "--json", "--runner", "ray", "--budget", "3", "--out-dir")
    process = begin(tmp_path, *drawn, "drawn", env=env)
    wait_until(lambda: emulator.calls >= 4 or process.poll() is not None, 120)
    lost = next(iter(cluster.worker_nodes))
    cluster.remove_node(lost, allow_graceful=False)
    stdout, stderr = process.communicate(timeout=240)
    summary = json.loads(stdout)["summary"]
    (warning,) = json.loads(stdout)["warnings"]
    assert warning.startswith("a node of the Ray cluster was lost under photos/pet")
    assert counts(summary) in ({"total": 12, "done": 12}, {"total": 12, "done": 11, "cached": 1}), stderr
    assert emulator.calls <= 12 + 1, "at most the call that was under way on the lost node is paid again"
    calls = emulator.calls
    whole = perkie("stylize", "photos", "-s", "ink_wash", "--json", "--out-dir", "whole", env=env)
    assert counts(body(whole)["summary"]) == {"total": 12, "cached": 12}
    assert (emulator.calls, same(tmp_path / "drawn", tmp_path / "whole")) == (calls, True)

    again = time.monotonic()
    skipped = perkie("stylize", "photos", "-s", "ink_wash", "--json", "--runner", "ray", "--out-dir", "drawn", env=env)
    assert counts(body(skipped)["summary"]) == {"total": 12, "skipped": 12}
    assert time.monotonic() - again < 60, "nothing to do needs no cluster"

    over = perkie(*drawn[:3], "van_gogh", *drawn[4:8], "0.1", "--out-dir", "few", env=env)
    assert over.returncode == 7, over.stderr
    assert body(over)["summary"]["done"] == 2
    assert body(over)["summary"]["cost_usd"] <= 0.1

    emulator.plan({"kind": "hang"})
    calls = emulator.calls
    process = begin(tmp_path, *drawn[:3], "bw_fine_art", *drawn[4:], "stopped", env=env)
    wait_until(lambda: emulator.calls > calls or process.poll() is not None, 120)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, json.loads(stdout)["error"]["code"]) == (130, "interrupted"), stderr

    cut = perkie("remove-bg", "photos", "--engine", "builtin", "--json", "--runner", "ray", "--out-dir", "cut")
    assert counts(body(cut)["summary"]) == {"total": 12, "done": 12}, cut.stderr
    assert body(cut)["summary"]["cluster"]["devices"] == ["cpu"]


@alone
@pytest.mark.slow
@pytest.mark.timeout(800)
def test_cutouts_go_where_the_gpu_is_and_again_when_its_node_is_lost(
    perkie: Perkie, tmp_path: Path, photos: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Placement and waiting: the GPU is one that Ray was told of. Nothing here computes on one."""
    if find_spec("torch") is None:
        pytest.skip("the extra matting is not installed")
    for each in sorted(photos.iterdir())[4:]:
        each.unlink()
    network = ("remove-bg", "photos", "--engine", "inspyrenet", "--mode", "fast", "--json", "--no-cache", "--out-dir")
    ray = ("--runner", "ray", "--gpu-share", "0.5")
    gpu = patiently(cluster.add_node, **NODE, num_gpus=1)
    with made_weights("ckpt_fast.pth") as folder:
        monkeypatch.setenv("PERKIE_MATTING_MODELS_DIR", str(folder))
        monkeypatch.setenv("PERKIE_MATTING_THREADS", "1")  # their number changes the last bit of sums
        must = perkie(*network, "cuda", "--device", "cuda", *ray)
        assert body(must)["results"][0]["error"]["code"] == "missing_device", "torch has no use of this one"
        process = begin(tmp_path, *network, "there", *ray, env={})
        wait_until(lambda: len(list((tmp_path / "there").glob("*.png"))) >= 1 or process.poll() is not None, 240)
        cluster.remove_node(gpu, allow_graceful=False)
        time.sleep(3)
        assert process.poll() is None, "three nodes are left, but this work waits for a GPU"
        patiently(cluster.add_node, **NODE, num_gpus=1)
        stdout, stderr = process.communicate(timeout=300)
        summary, warnings = json.loads(stdout)["summary"], json.loads(stdout)["warnings"]
        assert counts(summary) == {"total": 4, "done": 4}, stderr
        assert summary["cluster"] == {"actors": 2, "cpus_each": 0, "gpus_each": 0.5, "devices": ["cpu"]}
        assert warnings[0].startswith("a GPU was set aside, but the network runs on a processor")
        assert [each.partition(" under ")[0] for each in warnings[1:]] == ["a node of the Ray cluster was lost"] * 2
        stdout, stderr = begin(tmp_path, *network, "here", env={}).communicate(timeout=300)
        assert counts(json.loads(stdout)["summary"]) == {"total": 4, "done": 4}, stderr
        assert same(tmp_path / "here", tmp_path / "there")


@pytest.mark.slow
def test_without_a_cluster_the_command_tells_how_to_start_one(
    perkie: Perkie, cat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason=NO_RAY)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    done = perkie("stylize", "cat.png", *LOCAL, "out", "--runner", "ray")
    error = body(done)["error"]
    assert (done.returncode, error["code"]) == (5, "unavailable"), done.stderr
    assert "ray start --head" in error["hint"]
