"""What the three local drawings promise: the same pixels for the same input, any shape, and the pet's own tones."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perkie_cli.engines.local.drawing import draw
from perkie_cli.engines.local.recipes import RECIPES
from tests.pets import cut_out_pet, pet

EVERY_RECIPE = pytest.mark.parametrize("recipe", list(RECIPES))


@pytest.fixture(autouse=True)
def _threads_as_before():
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


@EVERY_RECIPE
def test_same_seed_same_pixels_for_any_number_of_threads(recipe):
    rgb, alpha = cut_out_pet(208, 160)
    drawings = []
    for threads in (1, 2, 4):
        cv2.setNumThreads(threads)
        drawings.append(draw(recipe, rgb, alpha, {}, 7))
    np.testing.assert_array_equal(drawings[0], drawings[1])
    np.testing.assert_array_equal(drawings[0], drawings[2])


@EVERY_RECIPE
def test_another_seed_is_another_drawing_of_the_same_pet(recipe):
    rgb = pet(208, 160)
    one, two = draw(recipe, rgb, None, {}, 1), draw(recipe, rgb, None, {}, 2)
    assert (one != two).mean() > 0.05
    assert np.corrcoef(_small(one), _small(two))[0, 1] > 0.6


def _small(picture):
    return cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (16, 16), interpolation=cv2.INTER_AREA).ravel()


@EVERY_RECIPE
@pytest.mark.filterwarnings("error")
@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    long=st.sampled_from([1, 1, 1, 20]),
    colour=st.sampled_from(["noise", "black", "white", "one colour"]),
    matte=st.sampled_from(["none", "empty", "one pixel", "noise", "opaque"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_shape_and_content_is_drawn(recipe, height, width, long, colour, matte, seed):
    rng = np.random.default_rng(seed)
    shape = (height * long, width)
    plain = {"black": 0, "white": 255, "one colour": 93}
    rgb = (
        rng.integers(0, 256, (*shape, 3), np.uint8)
        if colour == "noise"
        else np.full((*shape, 3), plain[colour], np.uint8)
    )
    alpha = None if matte == "none" else np.full(shape, 255 if matte == "opaque" else 0, np.uint8)
    if matte == "one pixel":
        alpha[-1, 0] = 255
    elif matte == "noise":
        alpha = rng.integers(0, 256, shape, np.uint8)
    drawing = draw(recipe, rgb, alpha, {}, seed)
    assert drawing.dtype == np.uint8
    assert drawing.shape == rgb.shape
