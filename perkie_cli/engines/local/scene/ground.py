"""The ground that a pet stands or lies on, so that it does not float on a new background."""

from typing import cast

import cv2
import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.planes import AREA, Mask, Plane, resize, rows, smoothstep
from perkie_cli.engines.local.scene.subject import Scene

COARSE = 4  # the ground is soft: found on every fourth pixel
BUST = 0.25  # of the pet's width along the upper or lower border: the photo ends there, and no ground is seen
STANDS = 0.75  # of the pet's height from the top: what ends above, such as a belly or a tail, stands on nothing
STRIDE = 0.35  # of the pet's width: feet this near share a floor
DEPTH = 0.075  # of the pet's height: how far the shadow reaches towards the viewer
ABOVE, BELOW = 0.20, 0.12  # of the pet's height: how far what it stands on is seen behind its feet and before them
BESIDE = 0.08  # of the pet's width: the same to either side
HORIZON = 0.5  # of the pet's height above its feet


@frozen
class Ground:
    """Each (h, w), 0..1; zero for a bust."""

    shadow: Plane  # where the pet touches the ground, and just below
    patch: Plane  # what it stands on, as far as a painter hints at it
    floor: Plane  # the lower part of the picture, from the horizon down


def find_ground(scene: Scene) -> Ground:
    """The ground of the scene's pet; a soft guess says nothing of its feet."""
    subject = scene.subject
    h, w = subject.shape
    small = resize(subject, max(8, w // COARSE), max(8, h // COARSE), AREA)
    solid = small > 0.5
    if not scene.known or not solid.any() or _is_bust(solid, close=scene.cut_out):
        nothing = np.zeros_like(subject)
        return Ground(nothing, nothing, nothing)
    top, bottom = (int(v) for v in np.flatnonzero(solid.any(1))[[0, -1]])
    tall = bottom + 1 - top
    y = rows(small.shape[0])
    floor = smoothstep(y, bottom - HORIZON * tall, bottom - 0.06 * tall) + np.zeros_like(small)
    wide = int(solid.any(0).sum())
    level, spread = _footing(solid, top, tall)
    below = y - level
    shadow = _band(below / (DEPTH * tall + 1), 0.8, 1.6) * spread
    around = cv2.GaussianBlur(spread, (0, 0), BESIDE * wide + 1)
    around = np.minimum(1.4 * around / max(float(around.max()), 1e-3), 1)
    patch = _band(below / tall, 1 / BELOW, 1 / ABOVE) * around
    return Ground(*(resize(x, w, h) for x in (shadow, patch, floor)))


def _band(below: Plane, steep_below: float, steep_above: float) -> Plane:
    return cast(Plane, np.exp(-(np.where(below > 0, steep_below * below, steep_above * below) ** 2)))


def _is_bust(solid: Mask, *, close: bool) -> bool:
    """Cut below; with `close`, what is cut above is a close-up without feet, too. A photo that stays shows its own."""
    wide = int(solid.any(0).sum())
    cut = max(int(solid[0].sum()) if close else 0, int(solid[-1].sum()))
    return cut > BUST * wide


def _footing(solid: Mask, top: int, tall: int) -> tuple[Plane, Plane]:
    """The floor's row and how near the feet are, each (1, w). Every foot has its own floor: columns are grouped by how
    low they reach.
    """
    h = len(solid)
    wide = int(solid.any(0).sum())
    lowest = np.where(solid.any(0), h - 1 - solid[::-1].argmax(0), -1).astype(np.float32)
    level = cv2.dilate(lowest[None], np.ones((1, max(3, int(STRIDE * wide) | 1)), np.uint8))[0]
    foot = np.exp(-(((level - lowest) / (0.05 * tall + 1)) ** 2)) * (lowest > top + STANDS * tall)
    foot = foot.astype(np.float32)
    sigma = 0.06 * wide + 1
    near = cv2.GaussianBlur(foot[None], (0, 0), sigma)
    level = cv2.GaussianBlur((level * foot)[None], (0, 0), sigma) / np.maximum(near, 1e-4)
    return level, np.clip(1.6 * cv2.GaussianBlur(near, (0, 0), sigma), 0, 1)
