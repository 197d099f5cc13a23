"""A made pet: a furry head with two eyes, a nose and ears before a plain ground. No file is read."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def pet(height: int, width: int, fur: int = 140, ground: int = 90) -> Bytes:
    """uint8 (height, width, 3); `fur` and `ground`: mean lightness 0..255."""
    return _paint(height, width, fur, ground)[0]


def cut_out_pet(height: int, width: int, fur: int = 140) -> tuple[Bytes, Bytes]:
    """The pet with its matte (height, width)."""
    return _paint(height, width, fur, 90)


def _paint(height: int, width: int, fur: int, ground: int) -> tuple[Bytes, Bytes]:
    rng = np.random.default_rng(1)
    u = min(height, width) / 100
    cx, cy = width / 2, height * 0.55
    matte = np.zeros((height, width), np.uint8)
    _disc(matte, cx, cy, 36 * u, 32 * u, 255)
    for side in (-1, 1):
        ear = [(cx + side * x * u, cy - y * u) for x, y in ((34, 12), (30, 48), (8, 26))]
        cv2.fillPoly(matte, [np.array(ear, np.int32)], 255, cv2.LINE_AA)
    matte = np.asarray(cv2.GaussianBlur(matte, (0, 0), max(0.4, u)), np.uint8)
    hair = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), sigmaX=0.6, sigmaY=max(0.6, 2.5 * u))
    coat = np.clip(fur + 0.22 * fur * hair / (hair.std() + 1e-6), 0, 255)
    picture = np.full((height, width), float(ground)) + (coat - ground) * (matte / 255)
    for side in (-1, 1):
        _disc(picture, cx + side * 14 * u, cy - 6 * u, 8 * u, 7 * u, 190)
        _disc(picture, cx + side * 14 * u, cy - 6 * u, 3 * u, 6 * u, 8)
        _disc(picture, cx + side * 15 * u, cy - 8 * u, 1.2 * u, 1.2 * u, 250)
    _disc(picture, cx, cy + 12 * u, 5 * u, 4 * u, 20)
    tint = np.array([1.0, 0.9, 0.75])
    return np.clip(picture[..., None] * tint, 0, 255).astype(np.uint8), matte


def _disc(picture: NDArray[Any], x: float, y: float, half_x: float, half_y: float, shade: float) -> None:
    axes = (max(1, round(half_x)), max(1, round(half_y)))
    cv2.ellipse(
        picture, (round(x), round(y)), axes, 0, 0, 360, shade, -1, cv2.LINE_AA if picture.dtype == np.uint8 else 8
    )
