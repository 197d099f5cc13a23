"""A nearly identical photo of the same owner is found when asked for, and nobody else's ever."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import CacheSettings, Settings
from perkie_cli.domain.errors import MissingExtra
from perkie_cli.domain.events import CacheLookup
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.pictures.request import CacheUse, GenerateRequest
from perkie_cli.domain.pictures.result import CacheOutcome
from perkie_cli.services.pictures.near_duplicates import NearDuplicates
from tests.conftest import CAT
from tests.engines import Negative
from tests.events import Recorder
from tests.pictures import taken

pytest.importorskip("imagehash", reason="the near extra is not installed")

ANNA, BERT, GUEST = Owner.customer("anna"), Owner.customer("bert"), Owner.session("s1")
PHOTO = CAT.read_bytes()


def twin(quality: int = 60, factor: float = 0.9, *, mirrored: bool = False) -> bytes:
    with Image.open(CAT) as opened:
        picture = opened.convert("RGB").resize([round(side * factor) for side in opened.size])
    buffer = io.BytesIO()
    (ImageOps.mirror(picture) if mirrored else picture).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def serving(folder: Path, engine: Negative, events: Recorder, *, near: bool, **parts: Any) -> Services:
    settings = Settings(cache=CacheSettings(dir=folder / "cache", near=near))
    return build_services(settings, engines={"auto": engine, "local": engine}, events=events, **parts)


async def outcome(services: Services, image: bytes, owner: Owner, **options: Any) -> CacheOutcome:
    return (
        await services.generate(GenerateRequest(taken(image), options.pop("style", "ink_wash"), owner, **options))
    ).cache


async def test_it_is_off_by_default(tmp_path: Path, engine: Negative, events: Recorder) -> None:
    assert not Settings().cache.near
    services = serving(tmp_path, engine, events, near=False)
    for image in (PHOTO, twin()):
        assert await outcome(services, image, ANNA) is CacheOutcome.MISS


@pytest.mark.parametrize("owner", [ANNA, GUEST], ids=str)
async def test_a_smaller_recompressed_twin_is_near_and_counted(
    tmp_path: Path, engine: Negative, events: Recorder, owner: Owner
) -> None:
    services = serving(tmp_path, engine, events, near=True)
    assert await outcome(services, PHOTO, owner) is CacheOutcome.MISS
    assert await outcome(services, twin(), owner) is CacheOutcome.NEAR
    assert await outcome(services, PHOTO, owner) is CacheOutcome.HIT
    assert engine.calls == 1
    found = [(each.outcome, each.style) for each in events.events if isinstance(each, CacheLookup)]
    assert ("near", "ink_wash") in found


async def test_nobody_elses_and_no_other_picture_is_near(tmp_path: Path, engine: Negative, events: Recorder) -> None:
    services = serving(tmp_path, engine, events, near=True)
    await outcome(services, PHOTO, ANNA)
    assert await outcome(services, twin(61), BERT) is CacheOutcome.MISS
    assert await outcome(services, twin(62), ANONYMOUS) is CacheOutcome.MISS
    assert await outcome(services, twin(63), ANONYMOUS) is CacheOutcome.MISS
    assert await outcome(services, twin(64), ANNA, style="bw_fine_art") is CacheOutcome.MISS
    assert await outcome(services, twin(65, mirrored=True), ANNA) is CacheOutcome.MISS
    assert await outcome(services, twin(66), ANNA, cache=CacheUse.REFRESH) is CacheOutcome.MISS


async def test_a_picture_is_not_lost_for_a_hash_that_cannot_be_made(
    tmp_path: Path, engine: Negative, events: Recorder
) -> None:
    class Hashless(NearDuplicates):
        async def facts(self, owner: Owner, photo: Photo) -> Mapping[str, str]:
            raise MissingExtra("near-duplicate look-up needs imagehash")

    plain = serving(tmp_path, engine, events, near=False)
    hashless = Hashless(plain.blobs, plain.workers, events, plain.limits, 24)
    services = serving(tmp_path, engine, events, near=False, near_duplicates=hashless)
    made = await services.generate(GenerateRequest(taken(PHOTO), "ink_wash", ANNA, cache=CacheUse.REFRESH))
    assert (made.key, len(made.warnings)) == (None, 1)
