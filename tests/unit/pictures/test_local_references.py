"""The shipped cat against small stored pictures; ``python -m tests.unit.pictures.test_local_references`` renews them.

Tolerant: OpenCV versions and processors differ in the last bits, and a stroke more or less is no other picture.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from perkie_cli.engines.local.drawing import draw
from perkie_cli.engines.local.recipes import RECIPES
from perkie_cli.engines.local.scene.subject import Backdrop

ROOT = Path(__file__).parents[3]
REFERENCES = ROOT / "tests" / "data" / "local_styles"
KINDS = {
    "photo": None,
    "cut_out": Backdrop.GONE,
    "kept": Backdrop.KEPT,
    "replaced": Backdrop.REPLACED,
}
WIDTH = 96
MEAN, LARGEST = 2.0, 60  # of 255; a change that an eye would see at this size is far above


def small_drawing(recipe: str, kind: str) -> NDArray[Any]:
    """The shipped cat, drawn as it lies there and reduced; all but the plain photo with an oval matte."""
    photo = read(ROOT / "examples" / "photos" / "cat.png")
    matte = np.zeros(photo.shape[:2], np.uint8)
    cv2.ellipse(matte, (195, 170), (165, 110), 0, 0, 360, 255, -1, cv2.LINE_AA)
    background = KINDS[kind]
    given = (None, Backdrop.GONE) if background is None else (matte, background)
    drawing = draw(recipe, np.ascontiguousarray(photo), given[0], {}, 7, background=given[1])
    return cv2.resize(drawing, (WIDTH, WIDTH * drawing.shape[0] // drawing.shape[1]), interpolation=cv2.INTER_AREA)


def read(path: Path) -> NDArray[Any]:
    picture = cv2.imread(str(path))
    assert picture is not None, path
    return picture[..., ::-1]


def reference(recipe: str, kind: str) -> Path:
    return REFERENCES / f"{recipe}_{kind}.png"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", list(RECIPES))
def test_the_look_is_the_stored_one(recipe: str, kind: str) -> None:
    stored = read(reference(recipe, kind)).astype(int)
    difference = np.abs(small_drawing(recipe, kind) - stored)
    assert difference.mean() < MEAN
    assert difference.max() < LARGEST


def renew() -> None:
    REFERENCES.mkdir(parents=True, exist_ok=True)
    for recipe in RECIPES:
        for kind in KINDS:
            cv2.imwrite(str(reference(recipe, kind)), small_drawing(recipe, kind)[..., ::-1])


if __name__ == "__main__":
    renew()
