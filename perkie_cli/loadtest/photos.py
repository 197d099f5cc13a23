"""Photos to send: pets drawn by the seed, and any number of different uploads made of them at no cost.

Encoding a photo takes longer than sending it. So a few of them are drawn before the clock starts, and each
upload is one of these with a comment segment of its own: other bytes, so another photo to every cache.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

MOST_DRAWINGS, LEAST_DRAWINGS = 24, 4
_HEAD = 20  # bytes: start of image and the JFIF segment, which comes first
_MARK = 28  # bytes of the comment segment: head and comment together are whole groups of three, for base64
QUALITY = 88


class Photos:
    """The pool. Photo ``n`` shows drawing ``n % drawings``; there are fewer of large ones."""

    def __init__(self, side: int, seed: int) -> None:
        self.drawings = max(LEAST_DRAWINGS, min(MOST_DRAWINGS, MOST_DRAWINGS * 1024 // side))
        dice = np.random.default_rng([seed, 3])
        grain = dice.normal(0, 7, (side * 3 // 4, side, 1))
        encoded = [draw(side, number * 180 // self.drawings, dice, grain) for number in range(self.drawings)]
        self._heads = [data[:_HEAD] for data in encoded]
        self._rests = [data[_HEAD:] for data in encoded]
        self._seed = seed

    def parts(self, number: int) -> tuple[bytes, bytes]:
        """A photo's beginning, which is its own, and the rest, which it shares with others."""
        which = number % self.drawings
        return self._heads[which] + _comment(self._seed, number), self._rests[which]

    def photo(self, number: int) -> bytes:
        """A whole photo."""
        return b"".join(self.parts(number))


def _comment(seed: int, number: int) -> bytes:
    text = b"perkie %07x %08x" % (seed & 0xFFFFFFF, number)
    return struct.pack(">HH", 0xFFFE, _MARK - 2) + text.ljust(_MARK - 4)


def draw(side: int, hue: int, dice: np.random.Generator, grain: NDArray[np.float64]) -> bytes:
    """A JPEG of ``side`` × three quarters of it: a pet of that hue (0 to 179) with a face, on a plain ground."""
    width, height = side, side * 3 // 4
    ground, fur, dark = (_colour(hue + 90, 60, 225), _colour(hue, 150, 150), _colour(hue, 160, 60))
    picture = np.full((height, width, 3), ground, np.uint8)
    unit, x = height / 10, int(width * dice.uniform(0.4, 0.6))
    _ellipse(picture, (x, int(8.2 * unit)), (2.9 * unit, 3.2 * unit), fur)
    for side_of in (-1, 1):
        ear = [(x + side_of * at * unit, y * unit) for at, y in ((0.6, 2.2), (2.2, 0.6), (2.1, 3.6))]
        cv2.fillConvexPoly(picture, np.array(ear, np.int32), dark, cv2.LINE_AA)
    _ellipse(picture, (x, int(4.2 * unit)), (2.2 * unit, 2.1 * unit), fur)
    for side_of in (-1, 1):
        _ellipse(picture, (int(x + side_of * 0.9 * unit), int(3.8 * unit)), (0.35 * unit, 0.45 * unit), (20, 20, 20))
    _ellipse(picture, (x, int(5.0 * unit)), (0.4 * unit, 0.3 * unit), (40, 30, 60))
    grainy = np.clip(picture + np.roll(grain, hue * 37), 0, 255).astype(np.uint8)
    written, data = cv2.imencode(".jpg", grainy, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert written, "OpenCV writes JPEG"
    return bytes(data)


def _colour(hue: int, saturation: int, value: int) -> tuple[int, int, int]:
    pixel = cv2.cvtColor(np.array([[[hue % 180, saturation, value]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0]
    return int(pixel[0]), int(pixel[1]), int(pixel[2])


def _ellipse(
    picture: NDArray[np.uint8], centre: tuple[int, int], axes: tuple[float, float], colour: tuple[int, int, int]
) -> None:
    cv2.ellipse(picture, centre, (int(axes[0]), int(axes[1])), 0, 0, 360, colour, -1, cv2.LINE_AA)
