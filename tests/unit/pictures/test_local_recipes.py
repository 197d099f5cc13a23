"""What a style file may say about a local drawing, and the engine that draws it."""

import asyncio
import dataclasses
import importlib.resources
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from perkie_cli.domain.errors import BadInput, InvalidParameter
from perkie_cli.domain.pictures.style import Style
from perkie_cli.engines.local.drawing import draw, render_at
from perkie_cli.engines.local.engine import LocalStyleEngine
from perkie_cli.engines.local.looks import Choice, Colour, Number, Parameter, Switch
from perkie_cli.engines.local.recipes import RECIPES, find_recipe
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import RenderJob, StyleEngine
from perkie_cli.system.threads import thread_workers
from tests.pets import cut_out_pet, pet

PARAMETERS = [(recipe.id, name) for recipe in RECIPES.values() for name in recipe.parameters]
COMPOSING = ("background", "crop")  # settled before the first stroke
CAT = Path(__file__).parents[3] / "examples" / "photos" / "cat.png"
SHIPPED = ("ink_wash", "van_gogh_post_impressionism", "bw_fine_art")


def another(parameter: Parameter) -> object:
    """An allowed value far from the default."""
    match parameter:
        case Number():
            return parameter.high if parameter.high - parameter.default > 0.3 else parameter.low
        case Switch():
            return not parameter.default
        case Colour():
            return "#20508f"
        case Choice():
            return parameter.names[-1]


# ------------------------------------------------------------------ parameters


@pytest.mark.parametrize(("recipe", "name"), [pair for pair in PARAMETERS if pair[1] not in COMPOSING])
def test_every_parameter_changes_the_picture(recipe: str, name: str) -> None:
    if name in {"sky", "vignette"}:  # a cut-out gets all of the sky, and has dark corners
        rgb, alpha = pet(200, 160), None
    else:
        rgb, alpha = cut_out_pet(200, 160)
    plain = draw(recipe, rgb, alpha, {}, 7).astype(int)
    varied = draw(recipe, rgb, alpha, {name: another(RECIPES[recipe].parameters[name])}, 7)
    assert np.abs(plain - varied).max() > 8


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_the_background_of_a_photo_is_kept_or_replaced_as_asked(recipe: str) -> None:
    photo = Raster(np.asarray(cv2.imread(str(CAT)), np.uint8)[..., ::-1].copy())
    kept, replaced = (
        render_at(photo, recipe, {"background": b, "crop": False}, 256, 7).rgb for b in ("keep", "replace")
    )
    assert np.abs(kept.astype(int) - replaced).mean() > 2


def test_without_crop_a_picture_keeps_its_shape() -> None:
    wide = Raster(*cut_out_pet(100, 300))
    shapes = [render_at(wide, "bw_fine_art", {"crop": crop}, 300, 7).rgb.shape for crop in (True, False)]
    assert shapes == [(300, 300, 3), (100, 300, 3)]


@pytest.mark.parametrize(("recipe", "name"), PARAMETERS)
def test_a_default_said_aloud_is_the_default(recipe: str, name: str) -> None:
    local = RECIPES[recipe]
    parameter = local.parameters[name]
    assert parameter.accepts(parameter.default)
    assert local.settle({name: parameter.default}) == local.settle({})
    assert parameter.help


@pytest.mark.parametrize(
    ("recipe", "values", "says", "hints"),
    [
        ("ink_wash", {"splater": 1.0}, "ink_wash has no parameter 'splater'", "'splatter'"),
        ("ink_wash", {"zzz": 1.0}, "ink_wash has no parameter 'zzz'", "ink, wash, brush"),
        (
            "ink_wash",
            {"background": "remove"},
            "must be one of auto, keep, replace, not 'remove'",
            "nothing of the pet",
        ),
        ("ink_wash", {"ink": 9}, "ink of the recipe ink_wash must be a number from 0.4 to 1.6, not 9", "density"),
        ("ink_wash", {"ink": float("nan")}, "must be a number from 0.4 to 1.6, not nan", "density"),
        ("ink_wash", {"ink": True}, "must be a number from 0.4 to 1.6, not True", "density"),
        ("ink_wash", {"ink": "much"}, "must be a number from 0.4 to 1.6, not 'much'", "density"),
        ("ink_wash", {"seal": 1}, "seal of the recipe ink_wash must be true or false, not 1", "default True"),
        ("ink_wash", {"paper": "white"}, "must be a colour such as", "colour of the paper"),
        ("ink_wash", {"paper": "#12345g"}, "must be a colour such as", "colour of the paper"),
        ("van_gogh", {"palette": "pink"}, "must be one of starry_night, wheat_field, almond_blossom", "sky"),
    ],
)
def test_a_wrong_parameter_gets_one_sentence_and_a_hint(
    recipe: str, values: Mapping[str, object], says: str, hints: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        draw(recipe, pet(32, 32), None, values, 7)
    assert isinstance(caught.value, BadInput)
    assert says in caught.value.message
    assert hints in str(caught.value.hint)


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(InvalidParameter, match="unknown local recipe 'ink_whash'") as caught:
        find_recipe("ink_whash")
    assert "'ink_wash'" in str(caught.value.hint)


# ------------------------------------------------------------------ shipped styles


@pytest.mark.parametrize("style_id", SHIPPED)
def test_a_shipped_style_is_complete_and_its_recipe_takes_its_parameters(style_id: str) -> None:
    text = (importlib.resources.files("perkie_cli") / "data" / "styles" / f"{style_id}.toml").read_text("utf-8")
    style = tomllib.loads(text)
    assert set(style) == {"id", "title", "aliases", "popular", "prompt_version", "prompt", "safe_prompt", "local"}
    assert style["id"] == style_id
    assert len(style["safe_prompt"]) < len(style["prompt"])
    assert "text" in style["prompt"]
    assert "markings" in style["prompt"]
    find_recipe(style["local"]["recipe"]).settle(style["local"]["parameters"])


# ------------------------------------------------------------------ the engine


@pytest.fixture
def engine() -> Iterator[LocalStyleEngine]:
    workers = thread_workers(1)
    yield LocalStyleEngine(workers)
    workers.close()


def style(**parameters: float) -> Style:
    return Style("mine", "Mine", "p", "s", "1", drawing="bw_fine_art", parameters=parameters)


def test_the_engine_draws_at_the_size_asked_for(engine: StyleEngine) -> None:
    rendering = asyncio.run(engine.render(RenderJob(Raster(pet(300, 200)), style(), size=256)))
    assert rendering.raster.long_side == 256
    assert (rendering.engine, rendering.model) == ("local", "bw_fine_art")
    assert rendering.usage.attempts == 0


def test_the_engine_draws_the_same_picture_again(engine: StyleEngine) -> None:
    job = RenderJob(Raster(pet(300, 200)), style(grain=2.0), size=256)
    first, second = asyncio.run(engine.render(job)), asyncio.run(engine.render(job))
    np.testing.assert_array_equal(first.raster.rgb, second.raster.rgb)


def test_the_recipe_of_the_cache_key_knows_what_shows(engine: StyleEngine) -> None:
    plain = engine.recipe(style(), 1024)
    assert plain.fingerprint == engine.recipe(style(grain=1.0), 1024).fingerprint  # the default, said aloud
    assert plain.fingerprint == engine.recipe(style(grain=1), 1024).fingerprint  # and without its point
    assert plain.fingerprint != engine.recipe(style(grain=2.0), 1024).fingerprint
    assert plain.fingerprint != engine.recipe(style(), 2048).fingerprint
    assert plain.fingerprint != engine.recipe(dataclasses.replace(style(), drawing="ink_wash"), 1024).fingerprint


def test_a_wrong_parameter_is_refused_before_any_work(engine: StyleEngine) -> None:
    with pytest.raises(InvalidParameter, match="grain"):
        engine.recipe(style(grain=99), 1024)
    with pytest.raises(InvalidParameter, match="grain"):
        asyncio.run(engine.render(RenderJob(Raster(pet(300, 200)), style(grain=99), size=256)))


@pytest.mark.parametrize("size", [255, 4097, -1])
def test_a_size_out_of_range_is_refused_before_any_work(engine: StyleEngine, size: int) -> None:
    with pytest.raises(InvalidParameter, match=f"256 to 4096 px long, not {size}"):
        engine.recipe(style(), size)
    with pytest.raises(InvalidParameter, match=f"not {size}"):
        asyncio.run(engine.render(RenderJob(Raster(pet(300, 200)), style(), size)))
