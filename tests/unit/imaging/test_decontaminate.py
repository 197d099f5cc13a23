from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perkie_cli.imaging.decontaminate import decontaminate
from tests.fur import Colour, make_fur

DARK, BRIGHT = (60, 45, 35), (225, 220, 210)
CASES = {
    "dark fur from bright to dark": (DARK, (235, 240, 245), (15, 15, 20)),
    "bright fur from dark to bright": (BRIGHT, (20, 25, 60), (250, 250, 250)),
    "red fur from grass to white": ((150, 90, 50), (60, 160, 60), (250, 250, 250)),
}


@pytest.mark.parametrize(("coat", "old", "new"), CASES.values(), ids=CASES)
def test_no_halo_of_the_old_background_remains(coat: Colour, old: Colour, new: Colour) -> None:
    fur = make_fur(coat, old)
    truth, edge = fur.on(new), fur.edge
    naive = np.abs(fur.on(new, fur.picture) - truth)[edge].mean()
    ours = np.abs(fur.on(new, decontaminate(fur.picture, fur.alpha)) - truth)[edge].mean()
    assert ours < 2.5  # of 255: the made fur's own texture
    assert ours < naive / 4


def test_opaque_pixels_keep_their_colour_and_far_ones_are_gone() -> None:
    fur = make_fur(DARK, (235, 240, 245), height=500, width=1600)
    clean = decontaminate(fur.picture, fur.alpha)
    assert np.array_equal(clean[fur.alpha == 255], fur.picture[fur.alpha == 255])
    assert not clean[:, :30].any()


def test_colour_is_carried_on_beyond_the_edge() -> None:
    fur = make_fur(DARK, (235, 240, 245))
    near = (fur.alpha == 0) & (np.roll(fur.alpha, 4, axis=1) > 200)
    assert decontaminate(fur.picture, fur.alpha)[near].mean() < 100  # the coat's 47, not the background's 240


@pytest.mark.parametrize("tile", [64, 256])
def test_tiles_leave_no_seam(tile: int) -> None:
    fur = make_fur(DARK, (60, 160, 60), height=700, width=900)
    tiled, whole = (decontaminate(fur.picture, fur.alpha, tile=side) for side in (tile, 900))
    assert np.abs(tiled.astype(int) - whole).max() <= 1


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 99),
    levels=st.sampled_from([[0], [255], [0, 255], [1, 254], list(range(256))]),
)
def test_any_shape_and_alpha_works(height: int, width: int, seed: int, levels: list[int]) -> None:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    alpha = rng.choice(np.array(levels, np.uint8), (height, width))
    before = rgb.copy()
    clean = decontaminate(rgb, alpha)
    assert clean.shape == rgb.shape
    assert clean.dtype == np.uint8
    assert np.array_equal(clean[alpha == 255], rgb[alpha == 255])
    assert np.array_equal(rgb, before)
