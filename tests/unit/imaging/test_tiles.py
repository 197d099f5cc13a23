from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.imaging.tiles import Tile, each_tile

SIDES = st.integers(1, 40)


@given(SIDES, SIDES, st.integers(1, 17))
def test_each_pixel_is_in_one_tile(height: int, width: int, side: int) -> None:
    times = np.zeros((height, width), int)

    def count(tile: Tile) -> None:
        assert times[tile.slices].size > 0
        times[tile.slices] += 1

    each_tile(count, height, width, side)
    assert (times == 1).all()


@given(SIDES, SIDES, st.integers(1, 17), st.integers(0, 9))
def test_a_tile_is_found_again_within_its_margin(height: int, width: int, side: int, margin: int) -> None:
    picture = np.arange(height * width).reshape(height, width)

    def compare(tile: Tile) -> None:
        outer = tile.grown(margin, height, width)
        assert (picture[outer.slices][tile.within(outer)] == picture[tile.slices]).all()

    each_tile(compare, height, width, side)


def test_enlarged_tiles_make_the_whole() -> None:
    small = np.random.default_rng(0).random((9, 7), np.float32)
    whole = Tile(0, 300, 0, 200).enlarged(small, 300, 200)
    made = np.zeros((300, 200), np.float32)

    def fill(tile: Tile) -> None:
        made[tile.slices] = tile.enlarged(small, 300, 200)

    each_tile(fill, 300, 200, 64)
    assert np.abs(made - whole).max() < 1e-3


def test_the_error_of_a_tile_is_raised() -> None:
    def fail(tile: Tile) -> None:
        if tile.left:
            raise MemoryError(str(tile))

    with pytest.raises(MemoryError, match="left=8"):
        each_tile(fail, 8, 16, 8)
