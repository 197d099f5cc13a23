"""What a GPU does with the network, as far as a CPU can show it: float16, batches, layouts, compilation, no memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from perkie_cli.domain.cutouts.checkpoint import CHECKPOINTS
from perkie_cli.domain.errors import MissingExtra, OutOfMemory
from perkie_cli.engines.inspyrenet.compiled import Compiled
from perkie_cli.engines.inspyrenet.engine import prepare
from perkie_cli.engines.inspyrenet.half import sums_in_float32
from perkie_cli.engines.inspyrenet.network import open_network
from perkie_cli.engines.inspyrenet.torch_backend import TorchBackend
from tests.conftest import CAT
from tests.made_weights import made_weights, small_network

torch = pytest.importorskip("torch", reason="needs the matting extra: pip install 'perkie-cli[matting]'")
if find_spec("transparent_background") is None:  # importing it to find out takes 5 s
    pytest.skip("needs the matting extra", allow_module_level=True)

pytestmark = pytest.mark.timeout(300)  # a network takes its time on a busy machine

SIDE = 96
TorchFunctionMode: Any = torch.overrides.TorchFunctionMode
Module: Any = torch.nn.Module


def batch_of(count: int, side: int = SIDE) -> NDArray[np.float32]:
    cat = np.asarray(Image.open(CAT).convert("RGB"))
    return np.stack([prepare(np.roll(cat, 60 * index, axis=1), side) for index in range(count)])


def small(**options: Any) -> TorchBackend:
    return TorchBackend(small_network(SIDE), SIDE, "cpu", 1, **options)


@pytest.fixture(scope="module")
def reference() -> NDArray[np.float32]:
    """Of the network as it came, one picture at a time, in float32."""
    net, pixels = small_network(SIDE), torch.from_numpy(batch_of(3))
    maps = [torch.sigmoid(net.forward_inspyre(each[None])["saliency"][-1])[0, 0].numpy() for each in pixels]
    assert np.std(maps) > 0.1
    return np.stack(maps)


class AsOnAGpu(TorchFunctionMode):  # type: ignore[misc]  # torch may be absent: it is Any here
    """Every convolution's output lies channels-last, as cuDNN leaves it: also where it has one channel."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if func is not torch.conv2d:
            return made
        return torch.empty(made.shape, dtype=made.dtype, memory_format=torch.channels_last).copy_(made)


@pytest.mark.parametrize(("half", "within"), [(False, 1e-5), (True, 3 / 255)])
def test_a_batch_in_a_gpus_layout_gives_each_picture_its_map(
    reference: NDArray[np.float32], half: bool, within: float
) -> None:
    backend = small(half=half)
    with AsOnAGpu():
        maps = backend.saliency(batch_of(3))
    assert np.abs(maps - reference).max() < within


class LittleMemory(TorchFunctionMode):  # type: ignore[misc]
    """Two pictures at once need more than there is: torch's own allocator says so."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d and len(args[0]) > 1:
            torch.empty(1 << 60)
        return func(*args, **(kwargs or {}))


def test_too_little_memory_for_two_pictures_is_enough_for_one(reference: NDArray[np.float32]) -> None:
    backend = small()
    with LittleMemory():
        with pytest.raises(OutOfMemory, match="cpu has too little memory") as caught:
            backend.saliency(batch_of(2))
        alone = backend.saliency(batch_of(1))
    assert np.abs(alone - reference[:1]).max() < 1e-5
    assert "alloc" in caught.value.__notes__[0]
    assert caught.value.__context__ is None  # which would keep the tensors of what failed


class Doubled(Module):  # type: ignore[misc]
    def forward(self, pixels: Any) -> Any:
        return 2 * pixels


def test_compiled_programs_are_shared_by_numbers_of_pictures() -> None:
    compiled = Compiled(Doubled(), "eager")
    for count in (3, 4, 1):
        pixels = torch.arange(count).float().reshape(count, 1, 1, 1).expand(-1, 3, 8, 8)
        assert torch.equal(compiled(pixels), 2 * pixels)
    assert sorted(compiled.programs) == [(1, 3, 8, 8), (4, 3, 8, 8)]


def test_without_a_compiler_there_is_a_sentence() -> None:
    def missing(graph: object, inputs: object) -> NoReturn:
        raise FileNotFoundError("c++")

    with pytest.raises(MissingExtra, match="cannot compile") as caught:
        Compiled(Doubled(), missing)(torch.zeros(1, 3, 8, 8))  # type: ignore[arg-type]  # torch takes functions too
    assert "matting.compile" in str(caught.value.hint)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("compiler", "half"), [("aot_eager", True), ("inductor", False)])
def test_the_compiled_network_says_the_same(reference: NDArray[np.float32], compiler: str, half: bool) -> None:
    compiled = small(half=half, compiler=compiler).saliency(batch_of(3))
    assert np.abs(compiled - reference).max() < (3 / 255 if half else 1e-4)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_half_precision_stays_near_and_finite() -> None:
    """In plain float16 this size gives NaN on these weights."""
    fast = CHECKPOINTS["fast"]
    with made_weights(fast.file) as folder:
        single, half = (
            TorchBackend(open_network(folder / fast.file, fast.side), fast.side, "cpu", half=half).saliency(
                batch_of(1, fast.side)
            )
            for half in (False, True)
        )
    assert np.abs(half - single).mean() < 1 / 255


def test_half_precision_sums_do_not_overflow() -> None:
    with torch.autocast("cpu", torch.float16), sums_in_float32():
        total = torch.bmm(torch.ones(1, 5, 100_000), torch.ones(1, 100_000, 2))
    assert total.unique().tolist() == [100_000]
