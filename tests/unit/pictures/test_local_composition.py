"""What the local styles make of what is known of the pet: frame, ground, and whether the background stays."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perkie_cli.engines.local.looks import InkWash
from perkie_cli.engines.local.planes import Bytes, Plane
from perkie_cli.engines.local.recipes import RECIPES
from perkie_cli.engines.local.scene import pet as pets
from perkie_cli.engines.local.scene.composition import choose_background, compose
from perkie_cli.engines.local.scene.framing import SHAPES, frame_pet
from perkie_cli.engines.local.scene.ground import find_ground
from perkie_cli.engines.local.scene.pet import Pet, find_pet
from perkie_cli.engines.local.scene.subject import Backdrop, Scene
from perkie_cli.engines.local.scene.surroundings import are_calm
from perkie_cli.engines.u2net.mount import without_mount
from perkie_cli.engines.u2net.subject import find_subject
from perkie_cli.engines.u2net.weights import read_weights
from perkie_cli.imaging.raster import Raster, at_full_strength
from tests.pets import cut_out_pet

PLAIN = np.full((8, 8, 3), 128, np.uint8)
CAT = Path(__file__).parents[3] / "examples" / "photos" / "cat.png"


def rectangle(shape: tuple[int, int], left: int, top: int, right: int, bottom: int) -> Pet:
    """A pet that fills a rectangle of a map."""
    map_ = np.zeros(shape, np.float32)
    map_[top:bottom, left:right] = 1
    return Pet(map_, 0.9, np.zeros_like(map_))


def in_doubt(pet: Pet, share: float) -> Pet:
    """The pet with doubt of that share of its area."""
    return replace(pet, doubt=np.full_like(pet.map, share * pet.map.mean()))


def cat() -> Bytes:
    return np.asarray(cv2.imread(str(CAT)), np.uint8)[..., ::-1].copy()


# ------------------------------------------------------------------ the frame


@given(
    left=st.integers(0, 250), top=st.integers(0, 150), wide=st.integers(10, 300), tall=st.integers(10, 200),
    within=st.booleans(),
)  # fmt: skip
def test_a_frame_never_cuts_the_pet_and_stays_inside_where_told(
    left: int, top: int, wide: int, tall: int, within: bool
) -> None:
    right, bottom = min(300, left + wide), min(200, top + tall)
    frame = frame_pet(rectangle((200, 300), left, top, right, bottom), 4.0, within=within)
    assert frame.left <= 4 * left
    assert frame.top <= 4 * top
    assert frame.right >= 4 * right
    assert frame.bottom >= 4 * bottom
    if within:
        assert frame.left >= 0
        assert frame.top >= 0
        assert frame.right <= 1200
        assert frame.bottom <= 800


@given(left=st.integers(100, 250), top=st.integers(100, 150), wide=st.integers(150, 300), tall=st.integers(150, 300))
def test_the_frame_of_a_whole_pet_has_the_shape_of_a_print(left: int, top: int, wide: int, tall: int) -> None:
    frame = frame_pet(rectangle((600, 900), left, top, left + wide, top + tall), 4.0, within=False)
    shape = (frame.right - frame.left) / (frame.bottom - frame.top)
    assert min(abs(shape - known) for known in SHAPES) < 0.01


def test_a_pet_that_the_border_cuts_stays_at_that_border() -> None:
    frame = frame_pet(rectangle((600, 800), 300, 250, 600, 600), 1.0, within=False)
    assert frame.bottom == 600
    assert frame.top < 250


def test_an_ear_that_only_grazes_the_border_is_not_given_room_beyond_it() -> None:
    pet = rectangle((600, 800), 300, 100, 500, 500)
    pet.map[:100, 300:310] = 1
    assert frame_pet(pet, 1.0, within=False).top == 0


def test_a_tiny_pet_is_not_blown_up_to_mush() -> None:
    frame = frame_pet(rectangle((600, 800), 400, 300, 420, 320), 1.0, within=True)
    assert min(frame.right - frame.left, frame.bottom - frame.top) == pytest.approx(340, abs=1)


# ------------------------------------------------------------------ the ground


def standing() -> Plane:
    """A body on four legs, 200 px wide, whose feet are in row 200."""
    map_ = np.zeros((240, 320), np.float32)
    map_[60:140, 60:260] = 1
    for x in (70, 110, 200, 240):
        map_[140:200, x : x + 16] = 1
    return map_


def scene(map_: Plane, *, known: bool = True, cut_out: bool = True) -> Scene:
    return Scene(np.zeros((*map_.shape, 3), np.float32), map_, cut_out=cut_out, known=known, photo=None)


def test_the_shadow_lies_under_the_feet_and_not_under_the_belly() -> None:
    shadow = find_ground(scene(standing())).shadow
    assert shadow[198:204, 70:86].min() > 0.3
    assert shadow[142:170, 150:180].max() < 0.05
    assert shadow[:120].max() < 0.01


def test_what_the_pet_stands_on_is_hinted_at_around_its_feet_only() -> None:
    patch = find_ground(scene(standing())).patch
    assert patch[196:204, 70:86].min() > 0.7
    assert patch[:135].max() < 0.15
    assert patch[:, 305:].max() < 0.5


def test_a_pet_cut_above_has_ground_only_where_its_surroundings_stay() -> None:
    map_ = standing()
    map_[:60, 60:260] = 1
    assert find_ground(scene(map_, cut_out=False)).patch[196:204, 70:86].min() > 0.7
    assert not find_ground(scene(map_)).patch.any()


@pytest.mark.parametrize("known", [True, False])
def test_a_bust_and_a_soft_guess_have_no_ground(known: bool) -> None:
    map_ = standing()[:190] if known else standing()
    if known:
        map_[140:, 60:260] = 1
    ground = find_ground(scene(map_, known=known))
    assert not ground.shadow.any()
    assert not ground.patch.any()
    assert not ground.floor.any()


# ------------------------------------------------------------------ the mount


def mounted(photo: Bytes, top: int, bottom: int, left: int, right: int, colour: tuple[int, int, int]) -> Bytes:
    """The photo in a mount, as a JPEG of it."""
    framed = cv2.copyMakeBorder(photo, top, bottom, left, right, cv2.BORDER_CONSTANT, value=colour)
    packed = cv2.imencode(".jpg", framed, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (40, 20, 190)])
@pytest.mark.parametrize("sides", [(60, 60, 0, 0), (0, 0, 35, 50), (12, 12, 12, 12), (0, 40, 0, 0)])
def test_bars_and_frames_of_one_colour_are_taken_off(
    colour: tuple[int, int, int], sides: tuple[int, int, int, int]
) -> None:
    top, bottom, left, right = sides
    rows, columns = without_mount(mounted(cat(), *sides, colour))
    height, width = 300 + top + bottom, 451 + left + right
    found = rows.start, height - rows.stop, columns.start, width - columns.stop
    for thickness, seen in zip(sides, found, strict=True):
        assert (seen == 0) if thickness == 0 else (thickness <= seen <= thickness + 4)


@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_something_is_left_of_any_photo(height: int, width: int, seed: int) -> None:
    photo = (np.random.default_rng(seed).random((height, width, 1)) < 0.1).astype(np.uint8) * np.uint8(255)
    rows, columns = without_mount(photo.repeat(3, axis=2))
    assert rows.start < rows.stop
    assert columns.start < columns.stop


def test_plain_walls_and_a_fading_sky_are_no_mount() -> None:
    wall = np.full((400, 600, 3), 200, np.uint8)
    cv2.circle(wall, (300, 300), 90, (60, 40, 30), -1)
    sky = np.linspace(255, 90, 400)[:, None, None].repeat(600, 1).repeat(3, 2).astype(np.uint8)
    for photo in (wall, sky, cat()):
        assert without_mount(photo) == (slice(0, photo.shape[0]), slice(0, photo.shape[1]))


def test_a_mounted_photo_is_drawn_without_its_mount_unless_the_frame_is_to_stay() -> None:
    photo = mounted(cat(), 60, 60, 0, 0, (0, 0, 0))
    bare, kept = (compose(Raster(photo), InkWash(background="keep", crop=crop), 0.7).raster for crop in (True, False))
    assert bare.height <= 300
    assert kept.height == 420


# ------------------------------------------------------------------ the background


@pytest.mark.parametrize(
    ("pet", "wanted", "expected"),
    [
        (rectangle((60, 80), 20, 20, 60, 50), "auto", Backdrop.REPLACED),
        (rectangle((60, 80), 20, 20, 60, 60), "auto", Backdrop.REPLACED),  # a bust
        (rectangle((60, 80), 20, 0, 60, 50), "auto", Backdrop.KEPT),  # its ears are missing
        (rectangle((60, 80), 0, 20, 80, 50), "auto", Backdrop.KEPT),  # both ends are
        (rectangle((60, 80), 20, 0, 60, 50), "replace", Backdrop.REPLACED),
        (rectangle((60, 80), 20, 20, 60, 50), "keep", Backdrop.KEPT),
        (replace(rectangle((60, 80), 20, 20, 60, 50), trust=0.6), "auto", Backdrop.KEPT),
        (in_doubt(rectangle((60, 80), 20, 20, 60, 50), 0.03), "auto", Backdrop.REPLACED),
        (in_doubt(rectangle((60, 80), 20, 20, 60, 50), 0.3), "auto", Backdrop.KEPT),
    ],
)
def test_auto_replaces_the_background_only_where_nothing_of_the_pet_is_missing(
    pet: Pet, wanted: str, expected: Backdrop
) -> None:
    assert choose_background(PLAIN, pet, wanted, 0.7) is expected


@pytest.mark.parametrize(("apart", "pieces"), [(0, 1), (1, 1), (30, 2)])
def test_parts_that_lie_apart_would_float_on_paper_or_before_a_sky(apart: int, pieces: int) -> None:
    pet = rectangle((600, 800), 100, 100, 300, 500)
    pet.map[350:500, 300 + apart : 400 + apart] = 1
    pet.map[50:54, 700:704] = 1  # a speck
    assert pet.pieces == pieces
    kept = Backdrop.KEPT if pieces > 1 else Backdrop.REPLACED
    assert choose_background(PLAIN, pet, "auto", 0.7) is kept


@pytest.mark.parametrize(
    ("feet", "size", "hangs"),
    [
        ([(45, 55)], 1, True),  # a head and a chest that a blanket covers end in a point
        ([(32, 68)], 1, False),  # it lies or sits
        ([(40, 45), (55, 60)], 1, False),  # it stands
        ([(45, 55)], 3, False),  # small: it may stand on one foot
    ],
)
def test_a_close_up_that_ends_in_a_point_would_hang_in_the_air(
    feet: list[tuple[int, int]], size: int, hangs: bool
) -> None:
    pet = rectangle((100 * size, 100 * size), 15, 10, 85, 80)
    for left, right in feet:
        pet.map[80:92, left:right] = 1
    assert pet.hangs is hangs
    kept = Backdrop.KEPT if hangs else Backdrop.REPLACED
    assert choose_background(PLAIN, pet, "auto", 0.7) is kept


@pytest.mark.parametrize("recipe", ["ink_wash", "van_gogh"])
@pytest.mark.parametrize(("contrast", "expected"), [(0, Backdrop.KEPT), (6, Backdrop.KEPT), (90, Backdrop.REPLACED)])
def test_calm_surroundings_stay_and_clutter_goes(recipe: str, contrast: int, expected: Backdrop) -> None:
    pet = rectangle((300, 400), 120, 80, 280, 220)
    grass = np.random.default_rng(0).integers(120, 121 + contrast, (300, 400, 1), np.uint8)
    photo = np.asarray(cv2.GaussianBlur(grass.repeat(3, 2), (0, 0), 1), np.uint8)
    photo[pet.map > 0.5] = 30  # its own edge is none of the surroundings'
    assert choose_background(photo, pet, "auto", RECIPES[recipe].replaces) is expected
    assert choose_background(photo, pet, "replace", RECIPES[recipe].replaces) is Backdrop.REPLACED


def test_a_pet_that_fills_the_photo_has_no_calm_surroundings() -> None:
    assert not are_calm(np.full((60, 80, 3), 128, np.uint8), rectangle((60, 80), 0, 0, 80, 60))


def test_what_is_in_doubt_and_lies_apart_floats_on_no_paper() -> None:
    pet = rectangle((300, 400), 100, 100, 250, 250)
    pet.doubt[150:200, 250:270] = 1  # a paw
    pet.doubt[20:60, 330:360] = 1
    assert pet.attached[150:200, 100:270].min() == 1
    assert pet.attached[:80, 300:].max() == 0
    assert pet.matte[:80, 300:].max() == 1


def test_a_photo_without_a_sure_pet_is_left_as_it_is() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (300, 400, 3), np.uint8)
    composition = compose(Raster(noise), InkWash(), 0.7)
    assert composition.raster.alpha is None
    np.testing.assert_array_equal(composition.raster.rgb, noise)


def test_an_unsure_map_is_a_weight_for_the_brush_and_frames_no_picture() -> None:
    chest = cat()[150:].copy()  # the network is in doubt without the eyes
    found = find_pet(chest)
    assert found is not None
    assert 0.1 < found.trust < 0.5
    for recipe, matted in (("ink_wash", True), ("van_gogh", True), ("bw_fine_art", False)):
        it = RECIPES[recipe]
        composition = compose(Raster(chest), it.settle({}), it.replaces, it.relies)
        assert composition.background is Backdrop.KEPT
        assert (composition.raster.alpha is not None) is matted
        np.testing.assert_array_equal(composition.raster.rgb, chest)


def test_a_cut_out_is_framed_whatever_is_asked_of_its_background() -> None:
    rgb, alpha = cut_out_pet(400, 900)
    for wanted in ("auto", "keep", "replace"):
        composition = compose(Raster(rgb, alpha), InkWash(background=wanted), 0.7)
        assert composition.background is Backdrop.GONE
        assert composition.raster.width < 900


@pytest.mark.parametrize("strength", [3, 128, 249])
def test_a_photo_that_is_translucent_all_over_is_drawn_as_the_photo(strength: int) -> None:
    faint = Raster(cat(), np.full((300, 451), strength, np.uint8))
    one, other = (compose(each, InkWash(), 0.7) for each in (faint, Raster(cat())))
    assert one.background is other.background
    np.testing.assert_array_equal(one.raster.rgb, other.raster.rgb)
    np.testing.assert_array_equal(one.raster.alpha, other.raster.alpha)


def test_a_translucent_cut_out_is_drawn_as_the_cut_out() -> None:
    rgb, alpha = cut_out_pet(400, 900)
    one, other = (compose(Raster(rgb, each), InkWash(), 0.7).raster for each in (alpha // 3, alpha))
    assert (one.width, one.height) == (other.width, other.height)
    assert one.alpha is not None
    assert other.alpha is not None
    assert np.abs(one.alpha.astype(int) - other.alpha).max() <= 3


def test_without_crop_the_photo_keeps_its_frame() -> None:
    composition = compose(Raster(cat()), InkWash(background="replace", crop=False), 0.7)
    assert (composition.raster.height, composition.raster.width) == (300, 451)
    assert composition.background is Backdrop.REPLACED


def test_the_pet_of_a_photo_is_looked_for_once_for_all_styles() -> None:
    photo = cat()
    found = find_pet(photo)
    assert found is not None
    assert found.map[130:170, 180:230].min() > 0.9  # between the eyes
    assert find_pet(photo.copy()) is found
    assert find_pet(photo[:, :400]) is not found


def test_a_network_that_was_read_ahead_finds_the_next_pet_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[bytes] = []

    def read() -> bytes:
        reads.append(read_weights())
        return reads[-1]

    monkeypatch.setattr(pets, "read_weights", read)
    monkeypatch.setattr(pets, "_recent", OrderedDict())
    photo = cat()
    pets.read_ahead(read_weights())
    found = find_pet(photo)
    assert reads == []
    assert found is not None
    np.testing.assert_array_equal(found.map, find_subject(photo).map)
    assert find_pet(photo[:, :400]) is not None
    assert len(reads) == 1


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(2, 60), width=st.integers(1, 60),
    matte=st.sampled_from(["empty", "one pixel", "noise", "full but one"]),
    seed=st.integers(0, 2**32 - 1), crop=st.booleans(),
)  # fmt: skip
def test_any_matte_is_composed_and_nothing_of_it_is_lost(
    height: int, width: int, matte: str, seed: int, crop: bool
) -> None:
    rng = np.random.default_rng(seed)
    alpha = np.full((height, width), 255 if matte == "full but one" else 0, np.uint8)
    if matte == "noise":
        alpha = rng.integers(0, 256, (height, width), np.uint8)
    alpha[rng.integers(height), rng.integers(width)] = 255 if matte == "one pixel" else 0
    picture = Raster(rng.integers(0, 256, (height, width, 3), np.uint8), alpha)
    composed = compose(picture, InkWash(crop=crop), 0.7).raster
    assert composed.alpha is not None
    assert composed.rgb.shape[:2] == composed.alpha.shape
    assert (composed.alpha > 127).sum() == (at_full_strength(alpha) > 127).sum()
