"""What the three local drawings promise: the same pixels for the same input, any shape, and the pet's own tones."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from perkie_cli.engines.local.drawing import draw, fit, picture_seed, render_at
from perkie_cli.engines.local.noise import stream
from perkie_cli.engines.local.planes import Bytes
from perkie_cli.engines.local.recipes import RECIPES
from perkie_cli.engines.local.scene.cuts import dissolve_cuts
from perkie_cli.engines.local.scene.subject import Backdrop, read_scene
from perkie_cli.engines.local.tone import dark_spots
from perkie_cli.imaging.raster import Raster
from tests.pets import cut_out_pet, pet

EVERY_RECIPE = pytest.mark.parametrize("recipe", list(RECIPES))


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


# ------------------------------------------------------------------ determinism


@EVERY_RECIPE
def test_same_seed_same_pixels_for_any_number_of_threads(recipe: str) -> None:
    rgb, alpha = cut_out_pet(208, 160)
    drawings = []
    for threads in (1, 2, 4):
        cv2.setNumThreads(threads)
        drawings.append(draw(recipe, rgb, alpha, {}, 7))
    np.testing.assert_array_equal(drawings[0], drawings[1])
    np.testing.assert_array_equal(drawings[0], drawings[2])


@EVERY_RECIPE
def test_another_seed_is_another_drawing_of_the_same_pet(recipe: str) -> None:
    rgb = pet(208, 160)
    one, two = draw(recipe, rgb, None, {}, 1), draw(recipe, rgb, None, {}, 2)
    assert (one != two).mean() > 0.05
    assert np.corrcoef(_thumbnail(one), _thumbnail(two))[0, 1] > 0.6


@EVERY_RECIPE
def test_inputs_are_left_as_they_were(recipe: str) -> None:
    rgb, alpha = cut_out_pet(120, 96)
    before = rgb.copy(), alpha.copy()
    draw(recipe, rgb, alpha, {}, 7)
    np.testing.assert_array_equal(rgb, before[0])
    np.testing.assert_array_equal(alpha, before[1])


def test_streams_of_two_components_share_nothing() -> None:
    paper, wash = (stream(3, name).random(1000) for name in ("paper", "wash"))
    assert abs(np.corrcoef(paper, wash)[0, 1]) < 0.1
    np.testing.assert_array_equal(paper, stream(3, "paper").random(1000))


def test_more_splatter_moves_no_other_component() -> None:
    rgb = pet(208, 160)
    none, much = (draw("ink_wash", rgb, None, {"splatter": amount}, 7).astype(int) for amount in (0.0, 4.0))
    changed = (none != much).any(2)
    assert 0 < changed.mean() < 0.25
    assert (much <= none)[changed].all()  # drops only add ink


def test_one_grain_of_noise_in_the_input_moves_only_nearby_strokes() -> None:
    rgb = pet(208, 160)
    touched = rgb.copy()
    touched[10, 10] ^= 1
    same = draw("van_gogh", rgb, None, {}, 7) == draw("van_gogh", touched, None, {}, 7)
    assert same.mean() > 0.98


# ------------------------------------------------------------------ any input


@EVERY_RECIPE
@pytest.mark.filterwarnings("error")
@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    stretch=st.sampled_from([1, 1, 1, 20]),
    colour=st.sampled_from(["noise", "black", "white", "one colour"]),
    matte=st.sampled_from(["none", "empty", "one pixel", "noise", "opaque"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_shape_and_content_is_drawn(
    recipe: str, height: int, width: int, stretch: int, colour: str, matte: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = (height * stretch, width)
    if colour == "noise":
        rgb = rng.integers(0, 256, (*shape, 3), np.uint8)
    else:
        rgb = np.full((*shape, 3), {"black": 0, "white": 255, "one colour": 93}[colour], np.uint8)
    alpha = None if matte == "none" else np.full(shape, 255 if matte == "opaque" else 0, np.uint8)
    if matte == "one pixel" and alpha is not None:
        alpha[-1, 0] = 255
    elif matte == "noise":
        alpha = rng.integers(0, 256, shape, np.uint8)
    drawing = draw(recipe, rgb, alpha, {}, seed)
    assert drawing.dtype == np.uint8
    assert drawing.shape == rgb.shape


# ------------------------------------------------------------------ the look


def test_a_black_pet_stays_darker_than_a_white_one_in_black_and_white() -> None:
    tones = [draw("bw_fine_art", *cut_out_pet(240, 192, fur), {}, 7)[120:160, 70:120].mean() for fur in (30, 120, 225)]
    assert tones[0] + 20 < tones[1] < tones[2] - 20


@pytest.mark.parametrize("exposure", [0.35, 1.6])
def test_exposure_hardly_moves_the_print(exposure: float) -> None:
    rgb, alpha = cut_out_pet(240, 192, 120)
    shot = np.clip(rgb * exposure, 0, 255).astype(np.uint8)
    difference = np.abs(draw("bw_fine_art", shot, alpha, {}, 7).astype(int) - draw("bw_fine_art", rgb, alpha, {}, 7))
    assert difference.mean() < 12


def test_black_and_white_is_neutral_without_warmth() -> None:
    drawing = draw("bw_fine_art", pet(160, 160), None, {"warmth": 0.0}, 7)
    assert (drawing.max(2) == drawing.min(2)).all()


def test_ink_leaves_the_paper_light_and_the_pupils_dark() -> None:
    drawing = cv2.cvtColor(draw("ink_wash", *cut_out_pet(320, 256), {"seal": False}, 7), cv2.COLOR_RGB2GRAY)
    assert np.median(drawing[:60]) > 215
    assert drawing.min() < 60


def _edge_of_a_white_pet(ground: int) -> float:
    """How dark ink draws the upper edge of a plain white pet before a ground of that grey."""
    matte = np.zeros((640, 512), np.uint8)
    cv2.ellipse(matte, (256, 340), (150, 200), 0, 0, 360, 255, -1, cv2.LINE_AA)
    coat = np.random.default_rng(1).integers(225, 250, matte.shape, np.uint8)
    cv2.circle(coat, (256, 300), 25, 10, -1)  # a nose, for the tone
    photo = np.where(matte > 127, coat, ground).astype(np.uint8)
    drawing = draw("ink_wash", np.dstack([photo] * 3), matte, {"seal": False}, 7, background=Backdrop.REPLACED)
    edge = cv2.morphologyEx(matte, cv2.MORPH_GRADIENT, np.ones((7, 7))) > 127
    return float(np.percentile(drawing[:300, ..., 1][edge[:300]], 25))


def test_ink_outlines_a_white_pet_where_the_photo_has_an_edge() -> None:
    assert _edge_of_a_white_pet(90) < 130
    assert _edge_of_a_white_pet(238) > 170  # the matte may be wrong here


@pytest.mark.parametrize(("fur", "iris", "pupil"), [(60, 110, 40), (60, 120, 20), (120, 170, 60)])
def test_ink_draws_small_pupils_dark_and_the_eyes_around_them_light(fur: int, iris: int, pupil: int) -> None:
    rgb, matte = cut_out_pet(640, 512, fur=fur)
    for x in (200, 312):
        cv2.circle(rgb, (x, 240), 9, (iris,) * 3, -1, cv2.LINE_AA)
        cv2.circle(rgb, (x, 240), 3, (pupil,) * 3, -1, cv2.LINE_AA)
    drawing = draw("ink_wash", rgb, matte, {"seal": False}, 7, background=Backdrop.REPLACED)[..., 1]
    for x in (200, 312):
        assert np.median(drawing[238:243, x - 2 : x + 3]) < 65
        assert np.median(drawing[238:243, x + 5 : x + 8]) > 170


@pytest.mark.parametrize(("specks", "drawn"), [(3, True), (60, False)])
def test_pupils_and_nostrils_are_spots_and_the_pepper_of_short_fur_is_none(specks: int, drawn: bool) -> None:
    lightness = np.full((1024, 1024), 0.7, np.float32)
    for place in np.random.default_rng(3).permutation(64)[:specks]:
        cv2.circle(lightness, (470 + 11 * int(place % 8), 470 + 11 * int(place // 8)), 3, 0.2, -1, cv2.LINE_AA)
    spots = dark_spots(lightness, 1.0)[lightness < 0.25]
    assert bool(np.median(spots) > 0.9) is drawn
    assert bool(np.median(spots) < 0.1) is not drawn


def _below_the_feet(shown: int) -> Bytes:
    """What ink draws below a pet on stripes, of a photo that ends `shown` rows below its feet and is continued."""
    matte = np.zeros((640, 512), np.uint8)
    cv2.rectangle(matte, (150, 200), (360, 480), 255, -1)
    photo = np.full((640, 512, 3), 120, np.uint8)
    photo[:, ::16] = photo[:, 1::16] = photo[:, 2::16] = 20
    photo += np.random.default_rng(1).integers(0, 9, photo.shape, np.uint8)
    photo[481 + shown :] = photo[480 + shown]
    drawing = draw("ink_wash", photo, matte, {"seal": False, "splatter": 0.0}, 7, background=Backdrop.REPLACED)
    return drawing[:, 170:340, 1]


def test_ink_hints_at_what_the_pet_stands_on_as_far_as_the_photo_shows_it() -> None:
    seen, ended = (np.abs(np.diff(_below_the_feet(n)[500:515].astype(int).mean(0))).mean() for n in (120, 4))
    assert seen > 10
    assert ended < seen / 3


def test_the_seal_goes_to_the_emptiest_corner() -> None:
    rgb, alpha = cut_out_pet(320, 320)
    alpha[:, 200:] = 255  # the pet fills the right side, so only the left is free
    drawing = draw("ink_wash", rgb, alpha, {}, 7).astype(int)
    red = (drawing[..., 0] - drawing[..., 1]) > 80
    assert red[:, :160].any()
    assert not red[:, 160:].any()


def test_the_sky_behind_a_cut_out_is_blue_and_the_pet_is_not() -> None:
    rgb, alpha = cut_out_pet(320, 256)
    drawing = draw("van_gogh", rgb, alpha, {"stars": 0.0}, 7).astype(int)
    blue = drawing[..., 2] - drawing[..., 0]
    assert np.median(blue[alpha == 0]) > 40
    assert np.median(blue[alpha == 255]) < 0


def test_a_black_coat_with_a_cast_is_painted_black_and_not_purple() -> None:
    rgb, alpha = cut_out_pet(320, 256, fur=30)
    cast = np.clip(rgb * np.array([1.3, 0.7, 1.2]), 0, 255).astype(np.uint8)  # of a filter that phones offer
    painted = draw("van_gogh", cast, alpha, {}, 7).astype(int)[alpha == 255]
    purple = np.minimum(painted[:, 0], painted[:, 2]) - painted[:, 1]
    assert np.median(purple) < 15  # 40 and more where the cast is taken for a colour


@pytest.mark.parametrize(("rough", "least", "most"), [(False, 60, 140), (True, 0, 50)])
def test_whiskers_beyond_the_matte_are_painted_before_calm_ones_only(rough: bool, least: int, most: int) -> None:
    rgb, alpha = cut_out_pet(400, 400, fur=140)
    if rough:
        shelves = 60 * (np.arange(400) // 20 % 2)
        rgb[alpha == 0] = (90 + shelves)[np.nonzero(alpha == 0)[0], np.newaxis]
    plain = draw("van_gogh", rgb, alpha, {"stars": 0.0}, 7, background=Backdrop.KEPT).astype(int)
    whiskers = np.zeros_like(alpha)
    for rise in (-25, 0, 25):
        cv2.line(whiskers, (260, 262), (390, 262 + rise), 255, 2, cv2.LINE_AA)
    whiskers[alpha > 0] = 0
    rgb = np.maximum(rgb, whiskers[..., np.newaxis])
    drawn = draw("van_gogh", rgb, alpha, {"stars": 0.0}, 7, background=Backdrop.KEPT).astype(int)
    lighter = (drawn - plain).mean(2)[whiskers > 200]
    assert least <= np.median(lighter) <= most


def test_no_seal_is_pressed_on_a_pet_that_fills_the_sheet() -> None:
    rgb, alpha = cut_out_pet(320, 320)
    alpha[:] = np.maximum(alpha, 240)
    drawing = draw("ink_wash", rgb, alpha, {}, 7).astype(int)
    assert not ((drawing[..., 0] - drawing[..., 1]) > 80).any()


def test_the_print_holds_back_the_surroundings_and_not_the_pet() -> None:
    rgb, matte = cut_out_pet(320, 256, fur=150)
    busy = np.random.default_rng(2).integers(90, 255, (40, 32, 1), np.uint8)
    room = cv2.resize(busy, (256, 320), interpolation=cv2.INTER_NEAREST)[..., None]
    photo = np.where(matte[..., None] > 127, rgb, room).astype(np.uint8)
    drawing = draw("bw_fine_art", photo, matte, {"grain": 0.0}, 7, background=Backdrop.KEPT)[..., 1].astype(int)
    outside = cv2.dilate(matte, np.ones((9, 9))) < 8
    before, after = (p[matte == 255].mean() / p[outside].mean() for p in (photo[..., 1], drawing))
    assert after > 1.3 * before
    assert drawing[matte == 255].mean() > 0.85 * photo[..., 1][matte == 255].mean()


def test_the_print_leaves_light_surroundings_behind_a_black_pet() -> None:
    rgb, matte = cut_out_pet(320, 256, fur=30)
    photo = np.where(matte[..., None] > 127, rgb, 150).astype(np.uint8)
    drawing = draw("bw_fine_art", photo, matte, {"grain": 0.0}, 7, background=Backdrop.KEPT)[..., 1].astype(int)
    near = (cv2.dilate(matte, np.ones((31, 31))) > 127) & (cv2.dilate(matte, np.ones((9, 9))) < 8)
    assert drawing[near].mean() > np.median(drawing[matte == 255]) + 60


@pytest.mark.parametrize("recipe", ["van_gogh", "ink_wash"])
def test_a_replaced_background_leaves_no_room_behind(recipe: str) -> None:
    rgb, matte = cut_out_pet(320, 256)
    red, green = rgb.copy(), rgb.copy()
    red[:200][matte[:200] == 0], green[:200][matte[:200] == 0] = (200, 30, 30), (30, 160, 30)
    one, other = (draw(recipe, photo, matte, {}, 7, background=Backdrop.REPLACED).astype(int) for photo in (red, green))
    far = cv2.dilate(matte, np.ones((31, 31))) == 0
    far[180:] = False  # the ground has the photo's own colours
    assert np.abs(one - other)[far].mean() < 6


@EVERY_RECIPE
def test_what_lies_under_the_matte_does_not_show(recipe: str) -> None:
    rgb, alpha = cut_out_pet(240, 192)
    other = rgb.copy()
    other[alpha == 0] = (255, 0, 255)
    apart = np.abs(draw(recipe, rgb, alpha, {}, 7).astype(int) - draw(recipe, other, alpha, {}, 7))
    assert apart.mean() < 2


def test_an_opaque_matte_counts_as_none() -> None:
    rgb = pet(120, 96)
    opaque = np.full(rgb.shape[:2], 255, np.uint8)
    np.testing.assert_array_equal(draw("bw_fine_art", rgb, opaque, {}, 7), draw("bw_fine_art", rgb, None, {}, 7))


def test_the_subject_of_a_photo_is_found_softly() -> None:
    rgb, alpha = cut_out_pet(240, 192, 200)
    found = read_scene(rgb, None).subject
    assert found[alpha == 255].mean() > 0.8
    assert found[alpha == 0].mean() < 0.5
    assert found[120, 96] > 0.9


def test_a_ruled_cut_inside_the_picture_dissolves_and_the_rest_of_the_matte_stays() -> None:
    matte = np.zeros((240, 320), np.float32)
    cv2.ellipse(matte, (160, 180), (80, 100), 0, 0, 360, 1, -1)
    matte[180:] = 0  # the body ends in a ruled line, 60 px above the picture's border
    faded = dissolve_cuts(matte)
    assert faded[179].max() < 0.01
    assert (np.diff((faded[150:] > 0.5).argmin(0)[120:200]) != 0).any()  # in a wavering line
    np.testing.assert_array_equal(faded[:100], matte[:100])


@pytest.mark.parametrize("centre", [(160, 120), (160, 240), (0, 120)])
def test_round_shapes_and_the_picture_s_own_border_are_no_cuts(centre: tuple[int, int]) -> None:
    matte = np.zeros((240, 320), np.float32)
    cv2.ellipse(matte, centre, (90, 80), 0, 0, 360, 1, -1)
    np.testing.assert_array_equal(dissolve_cuts(matte), matte)


# ------------------------------------------------------------------ sizes


@pytest.mark.parametrize(("shape", "size", "expected"), [((200, 300), 256, (171, 256)), ((601, 300), 801, (801, 400))])
def test_the_long_side_is_what_was_asked_for(shape: tuple[int, int], size: int, expected: tuple[int, int]) -> None:
    drawing = render_at(Raster(pet(*shape)), "bw_fine_art", {"crop": False}, size, 7)
    assert (drawing.height, drawing.width) == expected
    assert drawing.alpha is None


def test_above_2048_px_the_painting_is_enlarged() -> None:
    drawing = render_at(Raster(pet(40, 400)), "bw_fine_art", {"crop": False}, 4096, 7)
    assert (drawing.height, drawing.width) == (410, 4096)


@pytest.mark.parametrize("size", [64, 512])
def test_fitting_a_cut_out_brings_no_colour_from_under_the_matte(size: int) -> None:
    rgb, soft = cut_out_pet(256, 192)
    alpha = np.where(soft == 255, soft, 0)  # a hard edge, where mixing would show most
    hidden = rgb.copy()
    hidden[alpha == 0] = (255, 0, 255)
    plain, fitted = fit(Raster(rgb, alpha), size), fit(Raster(hidden, alpha), size)
    assert fitted.alpha is not None
    assert np.abs(plain.rgb.astype(int) - fitted.rgb)[fitted.alpha > 32].max() < 16
    inside = cv2.erode(fitted.alpha, np.ones((9, 9))) == 255
    assert abs(fitted.rgb[inside].mean() - rgb[alpha == 255].mean()) < 8


def test_two_pets_have_two_seeds_and_one_photo_always_the_same() -> None:
    one, other = Raster(pet(64, 64)), Raster(pet(64, 64, fur=80))
    assert picture_seed(one) == picture_seed(Raster(pet(64, 64))) != picture_seed(other)


def _thumbnail(picture: NDArray[np.uint8]) -> NDArray[Any]:
    return cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (16, 16), interpolation=cv2.INTER_AREA).ravel()
