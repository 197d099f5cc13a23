"""From 8-bit pixels to a finished drawing, at any size."""

import zlib
from collections.abc import Mapping
from typing import Final, TypeVar, cast

import cv2
import numpy as np

from perkie_cli.engines.local.planes import Bytes, Plane, to_bytes
from perkie_cli.engines.local.recipes import find_recipe
from perkie_cli.engines.local.scene.composition import compose
from perkie_cli.engines.local.scene.subject import Backdrop, read_scene
from perkie_cli.imaging.raster import Raster

LEAST_PAINTED: Final = 768  # brushes need room: smaller pictures are painted at this size, then reduced
MOST_PAINTED: Final = 2048  # larger ones are painted at this size, then enlarged: memory grows with the area
LEAST_SIDE: Final = 16

Pixels = TypeVar("Pixels", Bytes, Plane)


def draw(
    recipe_id: str,
    rgb: Bytes,
    alpha: Bytes | None,
    parameters: Mapping[str, object],
    seed: int,
    *,
    background: Backdrop = Backdrop.GONE,
) -> Bytes:
    """Draw (h, w, 3) pixels, with their (h, w) matte if they have one, as they are: no framing, no resizing.

    The same arguments give the same pixels for any number of OpenCV threads.
    Raises: InvalidParameter.
    """
    recipe = find_recipe(recipe_id)
    look = recipe.settle(parameters)
    return recipe.painter()(read_scene(rgb, alpha, background), look, seed)


def render_at(raster: Raster, recipe_id: str, parameters: Mapping[str, object], size: int, seed: int) -> Raster:
    """The drawing of a raster, framed anew around its pet, with `size` px on its long side.

    Raises: InvalidParameter.
    """
    recipe = find_recipe(recipe_id)
    composition = compose(raster, recipe.settle(parameters), recipe.replaces, recipe.relies)
    painted = fit(composition.raster, min(max(size, LEAST_PAINTED), MOST_PAINTED), composition.background)
    picture = draw(recipe_id, painted.rgb, painted.alpha, parameters, seed, background=composition.background)
    width, height = fitted_size(composition.raster, size)
    return Raster(_resize(picture, width, height))


def fitted_size(raster: Raster, size: int) -> tuple[int, int]:
    """Width and height with `size` on the long side."""
    scale = size / raster.long_side
    return max(LEAST_SIDE, round(raster.width * scale)), max(LEAST_SIDE, round(raster.height * scale))


def fit(raster: Raster, size: int, background: Backdrop = Backdrop.GONE) -> Raster:
    """The raster with `size` on its long side; premultiplied on the way, so that no fringe is born.

    Not where the colours under the matte are the photo's.
    """
    width, height = fitted_size(raster, size)
    if raster.alpha is None:
        return Raster(_resize(raster.rgb, width, height))
    if background is not Backdrop.GONE:
        return Raster(_resize(raster.rgb, width, height), _resize(raster.alpha, width, height))
    if (width, height) == (raster.width, raster.height):
        return raster
    matte = raster.alpha.astype(np.float32) * (1 / 255)
    light = _resize(raster.rgb.astype(np.float32) * (matte[..., None] * (1 / 255)), width, height)
    matte = np.clip(_resize(matte, width, height), 0, 1)
    return Raster(to_bytes(light / np.maximum(matte, 1e-3)[..., None]), to_bytes(matte))


def _resize(x: Pixels, width: int, height: int) -> Pixels:
    """Area averages when reducing, Lanczos when enlarging."""
    if x.shape[:2] == (height, width):
        return x
    how = cv2.INTER_AREA if width * height < x.shape[0] * x.shape[1] else cv2.INTER_LANCZOS4
    return cast(Pixels, cv2.resize(x, (width, height), interpolation=how))


def picture_seed(raster: Raster) -> int:
    """A seed of the picture's own, so that no two pets share a sky, yet the same photo always gets the same one."""
    return zlib.crc32(raster.rgb.tobytes())
