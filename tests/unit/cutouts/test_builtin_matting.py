from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from perkie_cli.engines.builtin import ROUGH, BuiltinEngine, find_subject
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import MattingJob
from perkie_cli.system.threads import thread_workers
from tests.conftest import CAT
from tests.pets import cut_out_pet, pet


def grab_cut(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """GrabCut alone, begun from a box with a 5 % margin, as it is usually used."""
    scale = 320 / max(rgb.shape)
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    labels = np.zeros((height, width), np.uint8)
    box = round(width * 0.05), round(height * 0.05), round(width * 0.9), round(height * 0.9)
    cv2.setRNGSeed(0)
    cv2.grabCut(
        np.ascontiguousarray(small), labels, box, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_RECT
    )
    return np.asarray(cv2.resize((labels & 1) * np.uint8(255), rgb.shape[1::-1]), np.uint8)


def error(alpha: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    return float(np.abs(alpha.astype(int) - truth).mean())


@pytest.mark.parametrize(("fur", "ground"), [(140, 90), (200, 60), (60, 180)])
def test_better_than_grab_cut_alone_on_close_ups(fur: int, ground: int) -> None:
    close = slice(150, 520), slice(130, 470)  # ears and chin leave the frame
    picture, truth = pet(600, 600, fur, ground)[close], cut_out_pet(600, 600)[1][close]
    ours = error(find_subject(picture)[0], truth)
    assert ours < 20
    assert ours < error(grab_cut(picture), truth) / 2


def test_the_shipped_cat_keeps_its_face() -> None:
    cat = np.asarray(Image.open(CAT).convert("RGB"))
    alpha, confidence = find_subject(cat)
    assert alpha.shape == cat.shape[:2]
    assert alpha[80:250, 60:300].min() > 200  # eyes, nose, chin
    assert alpha[:60, :20].max() < 50
    assert 0.3 < confidence <= 0.6


@pytest.mark.parametrize("picture", [np.zeros((256, 300, 3), np.uint8), np.full((300, 256, 3), 255, np.uint8)])
def test_pictures_of_nothing_are_no_crash(picture: NDArray[np.uint8]) -> None:
    alpha, _ = find_subject(picture)
    assert alpha.shape == picture.shape[:2]


async def test_it_says_that_it_is_rough() -> None:
    engine = BuiltinEngine(thread_workers(1))
    matte = await engine.matte(MattingJob(Raster(pet(300, 300))))
    assert matte.notes == (ROUGH,)
    assert (matte.engine, matte.device) == ("builtin", "cpu")
    assert engine.recipe("base").fingerprint == engine.recipe("fast").fingerprint
