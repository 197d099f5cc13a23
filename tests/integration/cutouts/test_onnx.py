"""Export to ONNX Runtime: a small network of the same make every day, the real one when slow tests run."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perkie_cli.domain.cutouts.checkpoint import CHECKPOINTS, Checkpoint
from perkie_cli.domain.errors import DiskFull, MissingDevice, MissingWeights
from perkie_cli.engines.inspyrenet.choose import open_backend
from perkie_cli.engines.inspyrenet.engine import prepare
from perkie_cli.engines.inspyrenet.export import check_room, export, export_network, exported_from
from perkie_cli.engines.inspyrenet.network import saliency_of
from perkie_cli.engines.inspyrenet.onnx_backend import OnnxBackend
from perkie_cli.stores.disk.models import DiskModels
from tests.conftest import ROOT
from tests.made_weights import made_weights, small_network

torch = pytest.importorskip("torch", reason="needs the matting extra: pip install 'perkie-cli[matting]'")
pytest.importorskip("onnxscript", reason="needs the matting extra")
if find_spec("transparent_background") is None:  # importing it to find out takes 5 s
    pytest.skip("needs the matting extra", allow_module_level=True)

pytestmark = pytest.mark.timeout(300)  # a network takes its time on a busy machine

SIDE = 96
SMALL = Checkpoint("fast", "small.pth", None, SIDE)
PICTURE = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("models")
    net = small_network(SIDE)
    return net, export_network(net, SIDE, folder / SMALL.onnx_file, {"perkie.checkpoint.md5": "abc"})


def test_the_export_says_what_the_network_says(exported: tuple[Any, Path]) -> None:
    net, path = exported
    pixels = prepare(PICTURE, SIDE)[None]
    with torch.inference_mode():
        expected = saliency_of(net)(torch.from_numpy(pixels))[:, 0].numpy()
    assert expected.std() > 0.1  # the made weights say something
    assert np.abs(OnnxBackend(path).saliency(pixels) - expected).max() < 1e-3
    assert exported_from(path) == "abc"


def test_nothing_else_is_left_behind(exported: tuple[Any, Path]) -> None:
    _, path = exported
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, path.name + ".data"]


def test_a_disk_that_is_too_small_is_told_beforehand(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match=r"needs 1073741824 MiB in .*, but only \d+ are free"):
        check_room(tmp_path, 1 << 50)


def test_the_cpu_prefers_the_export(exported: tuple[Any, Path]) -> None:
    _, path = exported
    assert isinstance(open_backend(SMALL, DiskModels([path.parent]), "cpu"), OnnxBackend)
    with pytest.raises(MissingWeights, match="there is no checkpoint"):
        open_backend(SMALL, DiskModels([path.parent]), "cpu", "torch")
    with pytest.raises(MissingDevice):
        open_backend(SMALL, DiskModels([path.parent]), "cuda:7", "onnx")


def test_a_batch_is_the_same_as_one_by_one(exported: tuple[Any, Path]) -> None:
    backend = OnnxBackend(exported[1], threads=1)
    pixels = np.stack([prepare(PICTURE, SIDE), prepare(PICTURE[::-1], SIDE)])
    together = backend.saliency(pixels)
    assert np.array_equal(together, np.concatenate([backend.saliency(each[None]) for each in pixels]))


@pytest.mark.parametrize("broken", ["", ".data"])
def test_a_broken_export_is_named(exported: tuple[Any, Path], tmp_path: Path, broken: str) -> None:
    _, path = exported
    for each in path.parent.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    victim = tmp_path / (path.name + broken)
    victim.write_bytes(victim.read_bytes()[:1000])
    with pytest.raises(MissingWeights, match="corrupt, incomplete") as caught:
        open_backend(SMALL, DiskModels([tmp_path]), "cpu", "onnx")
    assert "perkie models export" in str(caught.value.hint)


def test_torch_is_not_imported(exported: tuple[Any, Path]) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from perkie_cli.domain.cutouts.checkpoint import Checkpoint\n"
        "from perkie_cli.engines.inspyrenet.choose import open_backend\n"
        "from perkie_cli.stores.disk.models import DiskModels\n"
        f"models = DiskModels([Path({str(exported[1].parent)!r})])\n"
        f"open_backend(Checkpoint('fast', 'small.pth', None, {SIDE}), models, 'cpu')\n"
        "print(*{'torch', 'transparent_background'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", CHECKPOINTS)
def test_the_real_network_exports(mode: str, tmp_path: Path) -> None:
    checkpoint = CHECKPOINTS[mode]
    with made_weights(checkpoint.file) as folder:
        path = export(checkpoint, folder / checkpoint.file, DiskModels([tmp_path]))  # compares both backends itself
        assert exported_from(path) == DiskModels([folder]).md5(folder / checkpoint.file)
    for each in tmp_path.iterdir():
        each.unlink()  # 370 MB; pytest keeps its folders
