"""services.process over the real disk store and codec, with engines that hang when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import CacheSettings, Settings
from perkie_cli.domain.errors import DeadlineExceeded
from perkie_cli.domain.people.identity import ANONYMOUS
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.services.shop.process import CutoutResult
from perkie_cli.services.shop.storefront import StyleResult
from tests.engines import Centre, Negative
from tests.jumping_loop import LoopClock
from tests.pictures import file_of, photo

pytestmark = pytest.mark.jumping

DEADLINE = 150.0


@pytest.fixture
def matting() -> Centre:
    return Centre()


@pytest.fixture
async def services(tmp_path: Path, engine: Negative, matting: Centre) -> AsyncIterator[Services]:
    made = build_services(
        Settings(cache=CacheSettings(dir=tmp_path)),
        clock=LoopClock(),
        engines={"auto": engine},
        matting_engines={"auto": matting},
    )
    yield made
    await made.aclose()


async def ends(services: Services) -> tuple[CutoutResult, StyleResult]:
    """What a process of one style comes to."""
    pet = await services.storefront.uploaded(file_of(photo(320, 280)), "pet.jpg")
    requests = [GenerateRequest(pet, "ink_wash")]
    _, cut, style = [step async for step in services.process(pet, ANONYMOUS, requests, DEADLINE)]
    assert isinstance(cut, CutoutResult)
    assert isinstance(style, StyleResult)
    return cut, style


async def test_a_cut_out_that_hangs_leaves_the_styles_their_time(services: Services, matting: Centre) -> None:
    matting.gate.clear()
    cut, style = await ends(services)
    assert isinstance(cut.error, DeadlineExceeded)
    assert style.drawn is not None
    assert asyncio.get_running_loop().time() < DEADLINE


async def test_all_steps_together_have_one_deadline(services: Services, matting: Centre, engine: Negative) -> None:
    matting.gate.clear()
    engine.gate.clear()
    cut, style = await ends(services)
    assert isinstance(cut.error, DeadlineExceeded)
    assert isinstance(style.error, DeadlineExceeded)
    assert asyncio.get_running_loop().time() <= DEADLINE + 1
