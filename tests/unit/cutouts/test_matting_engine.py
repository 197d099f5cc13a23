"""The engine over a stand-in network: batches, cancellation, too little memory."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from perkie_cli.domain.errors import InvalidParameter, OutOfMemory, Unavailable
from perkie_cli.engines.inspyrenet.backend import Backend
from perkie_cli.engines.inspyrenet.batching import Batcher
from perkie_cli.engines.inspyrenet.choose import pick
from perkie_cli.engines.inspyrenet.engine import InspyrenetEngine
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import MattingJob
from perkie_cli.system.threads import thread_workers


class SmallDevice(Backend):
    """Answers with the red channel; has memory for so many pixels at once."""

    device = "cuda:0"
    batch = 4
    sides: tuple[int, ...] = (384, 192)

    def __init__(self, room: int = 10**9) -> None:
        self.room = room
        self.sizes: list[int] = []

    def saliency(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.sizes.append(batch.shape[0])
        if batch.shape[0] * batch.shape[2] * batch.shape[3] > self.room:
            raise OutOfMemory("too little memory")
        return (1 / (1 + np.exp(-3 * batch[:, 0]))).astype(np.float32)


def engine_on(backend: Backend) -> InspyrenetEngine:
    return InspyrenetEngine(lambda _: backend, workers=thread_workers(1), inference=thread_workers(1))


def picture(level: int) -> MattingJob:
    rgb = np.zeros((300, 400, 3), np.uint8)
    rgb[50:250, 100:300] = level
    return MattingJob(Raster(rgb), "fast")


PIXELS = [np.full((3, 8, 8), level, np.float32) for level in range(6)]


async def test_those_who_wait_share_a_run() -> None:
    device = SmallDevice()
    batcher = Batcher(device, thread_workers(1))
    maps = await asyncio.gather(*map(batcher.saliency, PIXELS))
    assert device.sizes == [4, 2]
    assert [each.mean() for each in maps] == sorted(each.mean() for each in maps)  # each got its own


@pytest.mark.parametrize(("fit", "sizes"), [(2, [4, 2, 2, 2]), (1, [4, 2, 1, 1, 2, 1, 1, 1, 1])])
async def test_a_batch_that_does_not_fit_is_halved_from_then_on(fit: int, sizes: list[int]) -> None:
    device = SmallDevice(room=8 * 8 * fit)
    batcher = Batcher(device, thread_workers(1))
    maps = await asyncio.gather(*map(batcher.saliency, PIXELS))
    assert device.sizes == sizes
    for pixels, saliency in zip(PIXELS, maps, strict=True):  # nobody is given another's
        assert np.array_equal(saliency, 1 / (1 + np.exp(-3 * pixels[0])))


async def test_sizes_are_not_mixed() -> None:
    device = SmallDevice()
    batcher = Batcher(device, thread_workers(1))
    await asyncio.gather(batcher.saliency(PIXELS[0]), batcher.saliency(PIXELS[1][:, :4]), batcher.saliency(PIXELS[2]))
    assert device.sizes == [2, 1]


async def test_one_who_left_is_not_run() -> None:
    device = SmallDevice()
    batcher = Batcher(device, thread_workers(1))
    waiting = [asyncio.create_task(batcher.saliency(each)) for each in PIXELS[:3]]
    await asyncio.sleep(0)
    waiting[1].cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert device.sizes == [2]


async def test_who_waits_for_a_run_that_never_begins_is_told() -> None:
    workers, gate = thread_workers(1), threading.Event()
    batcher = Batcher(SmallDevice(), workers)
    busy = asyncio.ensure_future(workers.run(gate.wait, 60))
    waiting = asyncio.gather(*map(batcher.saliency, PIXELS[:2]), return_exceptions=True)
    await asyncio.sleep(0.01)
    threading.Timer(0.05, gate.set).start()
    workers.close()
    async with asyncio.timeout(60):
        assert [type(each) for each in await waiting] == [Unavailable] * 2
    assert await busy


async def test_a_picture_that_does_not_fit_is_matted_smaller_and_says_so() -> None:
    engine = engine_on(SmallDevice(room=200 * 200))
    matte = await engine.matte(picture(250))
    assert matte.alpha.shape == (300, 400)
    assert "ran out of memory: matting ran at 192 instead of 384 px" in matte.notes[0]
    await engine.aclose()


async def test_no_memory_at_all() -> None:
    engine = engine_on(SmallDevice(room=0))
    with pytest.raises(OutOfMemory, match="too little memory"):
        await engine.matte(picture(250))
    await engine.aclose()


async def test_a_failing_network_fails_its_pictures_only_once() -> None:
    class Failing(SmallDevice):
        def saliency(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            super().saliency(batch)
            raise ValueError("broken")

    engine = engine_on(Failing())
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            await engine.matte(picture(250))
    await engine.aclose()


def test_recipes_differ_by_mode_only() -> None:
    engine = engine_on(SmallDevice())
    assert engine.recipe("fast").fingerprint != engine.recipe("base").fingerprint
    with pytest.raises(InvalidParameter, match="mode"):
        engine.recipe("best")


def test_the_best_device_is_picked() -> None:
    found = {"cuda:0": "L4", "cuda:1": "L4", "cpu": "CPU"}
    assert [pick(name, found) for name in ("auto", "cuda", "cuda:1", "cpu")] == ["cuda:0", "cuda:0", "cuda:1", "cpu"]
