"""The real network on made weights, against transparent-background's own Remover."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from perkie_cli.bootstrap import build_services
from perkie_cli.config.schema import CacheSettings, Settings
from perkie_cli.domain.cutouts.checkpoint import CHECKPOINTS, Checkpoint
from perkie_cli.domain.cutouts.request import CutoutRequest, Framing
from perkie_cli.domain.errors import InvalidParameter, MissingDevice, MissingWeights
from perkie_cli.domain.pictures.request import CacheUse
from perkie_cli.engines.inspyrenet.backend import Backend
from perkie_cli.engines.inspyrenet.choose import open_backend
from perkie_cli.engines.inspyrenet.engine import InspyrenetEngine, finish, prepare
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import MattingJob
from perkie_cli.stores.disk.models import DiskModels
from perkie_cli.system.threads import thread_workers
from tests.conftest import CAT
from tests.fur import make_fur
from tests.made_weights import made_weights
from tests.pictures import file_of, photo, taken
from tests.upstream import remover, upstream_alpha

torch = pytest.importorskip("torch", reason="needs the matting extra: pip install 'perkie-cli[matting]'")
pytest.importorskip("onnxruntime", reason="needs the matting extra")
if find_spec("transparent_background") is None:  # importing it to find out takes 5 s
    pytest.skip("needs the matting extra", allow_module_level=True)

pytestmark = pytest.mark.timeout(300)  # a network takes its time on a busy machine

SIDE = 96  # the everyday size: the network is the same at every size
FAST = CHECKPOINTS["fast"]
PICTURES: dict[str, Callable[[], NDArray[np.uint8]]] = {
    "a cat": lambda: np.asarray(Image.open(CAT).convert("RGB")),
    "fur, upright": lambda: make_fur((200, 180, 150), (40, 70, 40), 900, 700).picture,
    "noise, wide": lambda: np.random.default_rng(1).integers(0, 256, (256, 1100, 3), np.uint8),
}


@pytest.fixture(scope="module")
def weights() -> Iterator[Path]:
    torch.set_num_threads(1)  # small networks on shared cores: a second thread mostly waits
    with made_weights("ckpt_fast.pth", "ckpt_base.pth", side=SIDE) as folder:
        yield folder


@pytest.fixture(scope="module")
def backend(weights: Path) -> Backend:
    models = DiskModels([weights])
    return open_backend(Checkpoint("fast", "ckpt_fast.pth", None, SIDE), models, "cpu", "torch", threads=1)


@pytest.fixture(scope="module")
def peer(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return remover(weights / "ckpt_fast.pth", "fast", SIDE, tmp_path_factory.mktemp("home"))


@pytest.mark.parametrize("make", PICTURES.values(), ids=PICTURES)
def test_alpha_equals_upstreams(make: Callable[[], NDArray[np.uint8]], backend: Backend, peer: Any) -> None:
    rgb = make()
    theirs = upstream_alpha(peer, rgb)
    ours, _, _ = finish(backend.saliency(prepare(rgb, SIDE)[None])[0], *rgb.shape[:2])
    assert theirs.std() > 20  # the made weights say something
    assert np.abs(ours.astype(int) - theirs).max() <= 2


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", CHECKPOINTS)
@pytest.mark.parametrize("make", PICTURES.values(), ids=PICTURES)
def test_alpha_equals_upstreams_at_full_size(
    mode: str, make: Callable[[], NDArray[np.uint8]], weights: Path, tmp_path: Path
) -> None:
    checkpoint, rgb = CHECKPOINTS[mode], make()
    ours = open_backend(checkpoint, DiskModels([weights]), "cpu", "torch").saliency(
        prepare(rgb, checkpoint.side)[None]
    )[0]
    theirs = upstream_alpha(remover(weights / checkpoint.file, mode, checkpoint.side, tmp_path), rgb)
    assert np.abs(finish(ours, *rgb.shape[:2])[0].astype(int) - theirs).max() <= 2


def test_upstreams_own_import_is_left_alone(backend: Backend, peer: Any) -> None:
    assert type(peer).__module__ == "transparent_background.Remover"
    assert sys.modules["timm"].__spec__ is not None  # the real one, no stand-in


def test_threads_agree(backend: Backend) -> None:
    inputs = [prepare(make(), SIDE)[None] for make in PICTURES.values()][:2]
    alone = [backend.saliency(each) for each in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(backend.saliency, inputs * 2))
    for expected, got in zip(alone * 2, together, strict=True):
        assert np.array_equal(expected, got)


async def test_the_engine_serves_many_at_once(weights: Path, backend: Backend) -> None:
    engine = InspyrenetEngine(lambda _: backend, workers=thread_workers(2), inference=thread_workers(1))
    rasters = [Raster(make()) for make in PICTURES.values()]
    alone = [await engine.matte(MattingJob(raster, "fast")) for raster in rasters[:1]]
    mattes = await asyncio.gather(*(engine.matte(MattingJob(raster, "fast")) for raster in rasters))
    await engine.aclose()
    assert [matte.alpha.shape for matte in mattes] == [raster.rgb.shape[:2] for raster in rasters]
    assert {(matte.engine, matte.model, matte.device) for matte in mattes} == {("inspyrenet", "inspyrenet-fast", "cpu")}
    assert abs(mattes[0].confidence - alone[0].confidence) < 0.01


def resident() -> float:
    """MB of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_memory_stays_flat_over_five_hundred_pictures(backend: Backend, tmp_path: Path) -> None:
    engine = InspyrenetEngine(lambda _: backend, workers=thread_workers(2), inference=thread_workers(1))
    settings = Settings(cache=CacheSettings(dir=tmp_path))
    services = build_services(settings, matting_engines={"inspyrenet": engine})
    rng = np.random.default_rng(0)
    files = [file_of(photo(*rng.integers(256, 700, 2))) for _ in range(10)]

    async def cut(index: int) -> None:
        data = files[index % 10] + bytes(index % 7 + 1)  # trailing bytes make it another upload
        asked = CutoutRequest(taken(data), "inspyrenet", "fast", cache=CacheUse.OFF, framing=Framing(trim=True))
        await services.cutouts(asked)

    for index in range(9):  # allocators and caches of every layer fill up first
        await cut(index)
    before = resident()
    for index in range(0, 500, 3):
        await asyncio.gather(*(cut(index + step) for step in range(3)))
    await services.aclose()
    assert resident() < before * 1.05 + 20


# ------------------------------------------------------------------ what can be wrong


class _Malicious:
    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._trace,))


def _truncated(whole: Path) -> bytes:
    return whole.read_bytes()[:1_000_000]


TRACE = "was-run"
BROKEN = {
    "truncated": _truncated,
    "empty": lambda _: b"",
    "a web page": lambda _: b"<!DOCTYPE html><html>404</html>",
    "code": lambda whole: pickle.dumps(_Malicious(whole.with_name(TRACE))),
}


@pytest.mark.parametrize("break_", BROKEN.values(), ids=BROKEN)
def test_a_broken_checkpoint_is_named(break_: Callable[[Path], bytes], weights: Path, tmp_path: Path) -> None:
    (tmp_path / FAST.file).write_bytes(break_(weights / FAST.file))
    with pytest.raises(MissingWeights, match=r"ckpt_fast\.pth is corrupt") as caught:
        open_backend(FAST, DiskModels([tmp_path]), "cpu", "torch")
    assert "perkie models pull" in str(caught.value.hint)
    assert not (weights / TRACE).exists()


@pytest.mark.parametrize("state", [{"layer.weight": 3}, {"layer.weight": "text"}, {}], ids=["other", "text", "empty"])
def test_another_networks_checkpoint_is_named(state: dict[str, Any], tmp_path: Path) -> None:
    torch.save(
        {key: torch.zeros(value) if isinstance(value, int) else value for key, value in state.items()},
        tmp_path / FAST.file,
    )
    with pytest.raises(MissingWeights, match=r"another network|contains no weights"):
        open_backend(FAST, DiskModels([tmp_path]), "cpu", "torch")


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="there is no checkpoint") as caught:
        open_backend(FAST, DiskModels([tmp_path]), "cpu", "torch")
    assert "models pull" in str(caught.value.hint)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_an_absent_device_is_no_other_device(device: str, weights: Path) -> None:
    with pytest.raises(MissingDevice, match=f"device {device} is not on this machine.*cpu"):
        open_backend(FAST, DiskModels([weights]), device)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:-1", "CPU0"])
def test_an_unknown_device(device: str, weights: Path) -> None:
    with pytest.raises(InvalidParameter, match="unknown device"):
        open_backend(FAST, DiskModels([weights]), device)


def test_onnx_has_to_be_exported_first(weights: Path) -> None:
    with pytest.raises(MissingWeights, match="not exported") as caught:
        open_backend(FAST, DiskModels([weights]), "auto", "onnx")
    assert "perkie models export --mode fast" in str(caught.value.hint)
