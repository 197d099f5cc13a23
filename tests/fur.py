"""Made pictures of fur whose true alpha and true foreground colours are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Fur:
    picture: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    foreground: NDArray[np.float64]

    @property
    def edge(self) -> NDArray[np.bool_]:
        return (self.alpha > 0) & (self.alpha < 255)

    def on(
        self, colour: Colour, foreground: NDArray[np.float64] | NDArray[np.uint8] | None = None
    ) -> NDArray[np.float64]:
        return over(self.foreground if foreground is None else foreground, self.alpha, np.array(colour, np.float64))


def over(foreground: NDArray[Any], alpha: NDArray[np.uint8], background: NDArray[Any]) -> NDArray[np.float64]:
    a = alpha[..., None] / 255
    return foreground * a + background * (1 - a)


def make_fur(
    coat: Colour, background: Colour, height: int = 350, width: int = 450, seed: int = 0, hairs: int = 1500
) -> Fur:
    """An oval animal with hairs all around, on an uneven background."""
    rng = np.random.default_rng(seed)
    alpha = _hairy_oval(height, width, rng, hairs)
    texture = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 3)
    foreground = np.clip(np.array(coat) + np.asarray(texture, np.float64)[..., None] * 250, 0, 255)
    light = cv2.GaussianBlur(rng.normal(0, 1, (height, width, 3)).astype(np.float32), (0, 0), 20)
    behind = np.clip(np.array(background) + light * 600, 0, 255)
    return Fur(np.round(over(foreground, alpha, behind)).astype(np.uint8), alpha, foreground)


def _hairy_oval(height: int, width: int, rng: np.random.Generator, hairs: int) -> NDArray[np.uint8]:
    twice = np.zeros((height * 2, width * 2), np.uint8)
    cv2.ellipse(twice, (width, height), (int(width * 0.55), int(height * 0.55)), 0, 0, 360, 255, -1, cv2.LINE_AA)
    along = np.linspace(-0.1, 1, 8)
    for _ in range(hairs):
        angle, length, bend = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.22), rng.normal(0, 0.25)
        radius, direction = 0.55 + length * along, angle + bend * along**2 / 2
        points = np.stack([width * (1 + radius * np.cos(direction)), height * (1 + radius * np.sin(direction))], axis=1)
        cv2.polylines(twice, [points.astype(np.int32)], False, 255, 1, cv2.LINE_AA)
    smooth = cv2.GaussianBlur(twice, (0, 0), 1)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
