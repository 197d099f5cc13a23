"""services.cutout over the real disk store and codec, with an engine that knows where its subject is."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import CacheSettings, Settings
from perkie_cli.domain.cutouts.request import Background, CutoutOutput, CutoutRequest, Framing
from perkie_cli.domain.cutouts.result import Cutout
from perkie_cli.domain.errors import BadInput, DeadlineExceeded, LowConfidence, MissingWeights, NotAnImage, UsageError
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.domain.pictures.request import CacheUse, GenerateRequest
from perkie_cli.domain.pictures.result import CacheOutcome
from perkie_cli.ports import Matte, MattingEngine, MattingJob
from tests.pictures import exif_of, file_of, photo, taken, with_hole

WIDTH, HEIGHT = 400, 300
PHOTO = taken(file_of(photo(WIDTH, HEIGHT)))


class Oval(MattingEngine):
    """Finds an upright oval in the left half of every picture, counts, and can be told to wait or doubt."""

    name = "oval"

    def __init__(self) -> None:
        self.calls = 0
        self.loads = 0
        self.confidence = 0.9
        self.notes: tuple[str, ...] = ()
        self.gate = asyncio.Event()
        self.gate.set()

    def recipe(self, mode: str) -> Recipe:
        return Recipe(self.name, mode, "1")

    async def load(self) -> None:
        self.loads += 1
        raise MissingWeights("told by matte alone")

    async def matte(self, job: MattingJob) -> Matte:
        self.calls += 1
        assert self.loads >= self.calls, "it reads its network while the photo is decoded"
        await self.gate.wait()
        height, width = job.raster.rgb.shape[:2]
        alpha = np.zeros((height, width), np.uint8)
        cv2.ellipse(alpha, (width // 4, height // 2), (width // 8, height // 3), 0, 0, 360, 255, -1, cv2.LINE_AA)
        return Matte(alpha, self.confidence, self.name, f"oval-{job.mode}", "cpu", self.notes)

    async def aclose(self) -> None: ...


@pytest.fixture
def engine() -> Oval:
    return Oval()


@pytest.fixture
async def services(tmp_path: Path, engine: Oval) -> AsyncIterator[Services]:
    made = build_services(Settings(cache=CacheSettings(dir=tmp_path / "cache")), matting_engines={"auto": engine})
    yield made
    await made.aclose()


def pixels(cutout: Cutout) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(cutout.picture.data)))


async def test_a_cutout_is_full_size_rgba_with_its_facts(services: Services) -> None:
    made = await services.cutouts(CutoutRequest(PHOTO, mode="fast"))
    assert pixels(made).shape == (HEIGHT, WIDTH, 4)
    assert (made.engine, made.model, made.device, made.confidence) == ("oval", "oval-fast", "cpu", 0.9)
    assert (made.cache, made.cache_hit, made.warnings) == (CacheOutcome.MISS, False, ())
    assert made.facts().confidence == 0.9


async def test_the_second_time_comes_from_the_cache_whatever_is_made_of_it(services: Services, engine: Oval) -> None:
    first = await services.cutouts(CutoutRequest(PHOTO))
    again = await services.cutouts(CutoutRequest(PHOTO))
    trimmed = await services.cutouts(
        CutoutRequest(PHOTO, framing=Framing(trim=True), background=Background.parse("#123456"))
    )
    assert (engine.calls, engine.loads) == (1, 1)
    assert again.picture == first.picture
    assert (again.cache, again.confidence, again.device) == (CacheOutcome.HIT, 0.9, "cpu")
    assert trimmed.cache_hit
    assert tuple(pixels(trimmed)[0, 0]) == (0x12, 0x34, 0x56)
    assert trimmed.picture.width < WIDTH / 2


async def test_a_fresh_and_a_cached_cutout_look_the_same(services: Services) -> None:
    asked = CutoutRequest(PHOTO, background=Background.parse("blur"), framing=Framing(True, 10, (1, 1)))
    first = await services.cutouts(asked)
    assert (await services.cutouts(asked)).picture.data == first.picture.data
    assert first.picture.width == first.picture.height


async def test_mode_and_engine_are_part_of_the_recipe(services: Services, engine: Oval) -> None:
    fast, base = [await services.cutouts(CutoutRequest(PHOTO, mode=mode)) for mode in ("fast", "base")]
    assert engine.calls == 2
    assert fast.key != base.key
    assert str(fast.key).startswith(f"cutouts/{fast.hash[:2]}/{fast.hash}_")


async def test_refresh_and_off(services: Services, engine: Oval) -> None:
    await services.cutouts(CutoutRequest(PHOTO, cache=CacheUse.OFF))
    await services.cutouts(CutoutRequest(PHOTO))
    await services.cutouts(CutoutRequest(PHOTO, cache=CacheUse.REFRESH))
    assert engine.calls == 3
    engine.confidence = 0.7
    await services.cutouts(CutoutRequest(PHOTO, cache=CacheUse.REFRESH))
    assert (await services.cutouts(CutoutRequest(PHOTO))).confidence == 0.7


async def test_identical_requests_share_one_run(services: Services, engine: Oval) -> None:
    engine.gate.clear()
    asked = CutoutRequest(PHOTO, cache=CacheUse.REFRESH)  # no look-up: each joins as soon as it is begun
    tasks = [asyncio.create_task(services.cutouts(asked)) for _ in range(5)]
    await asyncio.sleep(0)
    engine.gate.set()
    made = await asyncio.gather(*tasks)
    assert engine.calls == 1
    assert sorted(each.cache for each in made) == [CacheOutcome.JOINED] * 4 + [CacheOutcome.MISS]


async def test_low_confidence_is_a_result_with_a_warning(services: Services, engine: Oval) -> None:
    engine.confidence, engine.notes = 0.2, ("no clear subject was found",)
    for _ in range(2):  # made, then cached
        made = await services.cutouts(CutoutRequest(PHOTO))
        assert made.confidence == 0.2
        assert made.warnings == ("no clear subject was found", "low confidence (0.20): check the result")
        with pytest.raises(LowConfidence, match=r"confidence 0\.20 .* no clear subject"):
            await services.cutouts(CutoutRequest(PHOTO, strict=True))
    assert engine.calls == 1


async def test_the_deadline_is_kept(services: Services, engine: Oval) -> None:
    engine.gate.clear()
    with pytest.raises(DeadlineExceeded):
        await services.cutouts(CutoutRequest(PHOTO, deadline=0.1))


async def test_a_failing_store_loses_no_cutout(services: Services, engine: Oval, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the store's folder should be")
    made = await services.cutouts(CutoutRequest(PHOTO))
    assert pixels(made).shape == (HEIGHT, WIDTH, 4)
    assert any("could not be kept" in warning for warning in made.warnings)


async def test_bad_requests(services: Services, engine: Oval) -> None:
    with pytest.raises(NotAnImage, match=r"x\.gif"):
        taken(b"GIF87 not really", "x.gif")
    with pytest.raises(UsageError, match="no matting engine 'best'"):
        await services.cutouts(CutoutRequest(PHOTO, engine="best"))
    assert engine.calls == 0


# ------------------------------------------------------------------ what upstream raises on or gets wrong

ORIGINAL = photo(WIDTH, HEIGHT)
KINDS = {
    "greyscale": file_of(ORIGINAL.convert("L"), "PNG"),
    "CMYK": file_of(ORIGINAL.convert("CMYK"), "JPEG"),
    "palette": file_of(ORIGINAL.quantize(200), "PNG"),
    "16-bit": file_of(Image.fromarray(np.asarray(ORIGINAL.convert("L")).astype(np.uint16) * 257), "PNG"),
    "WebP": file_of(ORIGINAL, "WEBP"),
    "HEIC": file_of(ORIGINAL, "HEIF"),
    "turned": file_of(ORIGINAL.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif_of(6)),
}


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
async def test_every_kind_of_picture_comes_out_upright_and_in_its_colours(services: Services, data: bytes) -> None:
    rgba = pixels(await services.cutouts(CutoutRequest(taken(data))))
    assert rgba.shape == (HEIGHT, WIDTH, 4)
    expected = np.asarray(
        ORIGINAL if data not in (KINDS["greyscale"], KINDS["16-bit"]) else ORIGINAL.convert("L").convert("RGB")
    )
    solid = rgba[..., 3] == 255
    assert solid.mean() > 0.1
    assert (
        np.abs(rgba[..., :3][solid].astype(int) - expected[solid]).mean() < 12
    )  # JPEG, palette and CMYK lose a little


async def test_what_was_transparent_stays_so(services: Services) -> None:
    rgba = pixels(await services.cutouts(CutoutRequest(taken(file_of(with_hole(ORIGINAL), "PNG")))))
    assert rgba[: HEIGHT // 4, : WIDTH // 4, 3].max() == 0
    assert rgba[HEIGHT // 2, WIDTH // 4, 3] == 255


async def test_what_was_hidden_does_not_shine_through_a_blurred_background(services: Services) -> None:
    half = np.full((HEIGHT, WIDTH), 255, np.uint8)
    half[:, WIDTH // 2 :] = 0
    hiding = ORIGINAL.convert("RGBA")
    hiding.putalpha(Image.fromarray(half))
    blurred = CutoutRequest(taken(file_of(hiding, "PNG")), background=Background.parse("blur"))
    assert pixels(await services.cutouts(blurred))[:, -WIDTH // 4 :, :3].min() >= 254
    assert np.asarray(ORIGINAL)[:, -WIDTH // 4 :].min() < 100


async def test_a_photo_that_is_translucent_all_over_keeps_its_colours(services: Services) -> None:
    faint = ORIGINAL.convert("RGBA")
    faint.putalpha(100)
    rgba = pixels(await services.cutouts(CutoutRequest(taken(file_of(faint, "PNG")))))
    solid = rgba[..., 3] == 100
    assert solid.mean() > 0.1
    assert np.array_equal(rgba[..., :3][solid], np.asarray(ORIGINAL)[solid])


async def test_a_photo_of_which_nothing_can_be_seen_is_refused(services: Services) -> None:
    nothing = ORIGINAL.convert("RGBA")
    nothing.putalpha(0)
    hidden = taken(file_of(nothing, "PNG"), "hidden.png")
    with pytest.raises(BadInput, match=r"hidden\.png is fully transparent"):
        await services.cutouts(CutoutRequest(hidden))
    with pytest.raises(BadInput, match=r"hidden\.png is fully transparent"):
        await services.generate(GenerateRequest(hidden, "ink_wash"))


@pytest.mark.parametrize("format_", ImageFormat)
async def test_masks_in_every_format(services: Services, format_: ImageFormat) -> None:
    mask = pixels(await services.cutouts(CutoutRequest(PHOTO, output=CutoutOutput.MASK, format=format_)))
    assert mask.shape == (HEIGHT, WIDTH, 3)
    assert mask[HEIGHT // 2, WIDTH // 4].min() > 250
    assert mask[5, 5].max() < 5


async def test_a_picture_as_background(services: Services) -> None:
    beach = file_of(Image.new("RGB", (64, 48), (10, 200, 30)), "PNG")
    made = await services.cutouts(
        CutoutRequest(PHOTO, background=Background.of_picture(taken(beach)), format=ImageFormat.JPEG)
    )
    assert np.abs(pixels(made)[5, -5].astype(int) - (10, 200, 30)).max() < 6


async def test_raster_is_the_plain_cutout(services: Services) -> None:
    raster, made = await services.cutouts.raster(CutoutRequest(PHOTO, background=Background.parse("#fff")))
    assert raster.alpha is not None
    assert raster.rgb.shape == (HEIGHT, WIDTH, 3)
    assert made.picture.format is ImageFormat.PNG


async def test_a_follower_with_another_background_gets_its_own(services: Services, engine: Oval) -> None:
    asked = CutoutRequest(PHOTO)
    red = replace(asked, background=Background.parse("#ff0000"))
    plain, coloured = await asyncio.gather(services.cutouts(asked), services.cutouts(red))
    assert engine.calls == 1
    assert pixels(plain).shape[2] == 4
    assert tuple(pixels(coloured)[0, -1]) == (255, 0, 0)


# ------------------------------------------------------------------ before styling


async def test_a_style_is_drawn_of_the_cutout_and_kept_apart(services: Services, engine: Oval) -> None:
    kept = await services.generate(GenerateRequest(PHOTO, "ink_wash", engine="local", size=256))
    cut = await services.generate(GenerateRequest(PHOTO, "ink_wash", engine="local", size=256, remove_background=True))
    again = await services.generate(
        GenerateRequest(PHOTO, "ink_wash", engine="local", size=256, remove_background=True)
    )
    assert engine.calls == 1
    assert kept.fingerprint != cut.fingerprint
    assert kept.master.data != cut.master.data
    assert again.cache_hit
    assert again.master == cut.master


async def test_doubts_about_the_cutout_reach_the_styled_picture(services: Services, engine: Oval) -> None:
    engine.confidence = 0.1
    made = await services.generate(GenerateRequest(PHOTO, "ink_wash", engine="local", size=256, remove_background=True))
    assert any("low confidence" in warning for warning in made.warnings)
