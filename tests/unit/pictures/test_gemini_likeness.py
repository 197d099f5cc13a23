from __future__ import annotations

import cv2
import numpy as np
import pytest

from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.engines.gemini.likeness import cells_of, is_copy, is_one_colour
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster
from tests.gemini_bench import photo


@pytest.mark.parametrize(("width", "height"), [(64, 64), (255, 300), (1265, 849), (2047, 1365), (4000, 301)])
def test_cells_are_the_mean_colours_of_any_size(width: int, height: int) -> None:
    raster = photo(width, height)
    exact = cv2.resize(raster.rgb.astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(cells_of(raster) - exact).mean() < 1


@pytest.mark.parametrize("quality", [50, 92])
@pytest.mark.parametrize("side", [200, 800, 1264, 2048])
def test_a_copy_in_any_size_and_quality_is_found_and_another_picture_is_not(side: int, quality: int) -> None:
    original = photo(1264, 848)
    again = codec.encode(codec.resize(original, side), ImageFormat.JPEG, quality).data
    copy = codec.decode(again, ImageLimits(min_side=64)).raster
    assert is_copy(cells_of(copy), copy.width / copy.height, original)
    other = Raster(np.ascontiguousarray(original.rgb[:, ::-1]))
    assert not is_copy(cells_of(other), other.width / other.height, original)
    assert not is_one_colour(cells_of(copy))


def test_a_middle_part_of_it_is_a_copy_too() -> None:
    original = photo(1500, 1000)
    square = Raster(np.ascontiguousarray(original.rgb[:, 250:1250]))
    assert is_copy(cells_of(square), 1.0, original)
