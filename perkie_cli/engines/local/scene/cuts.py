"""Straight cuts of a matte inside the picture: where the photo ended, and the canvas was made larger afterwards.

A body that stops in a ruled line looks cut with scissors, so the matte dissolves there along a wavering edge.
"""

import numpy as np

from perkie_cli.engines.local.noise import fractal_noise, stream
from perkie_cli.engines.local.planes import Mask, Plane, columns, rows, smoothstep

STRAIGHT = 0.45  # share of the subject's extent that lies on its outermost line; of a round head it is 0.2
DEPTH = 0.01  # of the extent: how thick that line is
FADE = 0.06  # of the shorter side


def dissolve_cuts(matte: Plane) -> Plane:
    """The (h, w) matte, faded towards every straight cut that is not the picture's own border."""
    h, w = matte.shape
    solid = matte > 0.5
    if not solid.any():
        return matte
    top, bottom = _extent(solid, axis=1)
    left, right = _extent(solid, axis=0)
    x, y = columns(w), rows(h)
    sides = (
        (top, solid[top:bottom, left:right], y - top),
        (h - bottom, solid[top:bottom, left:right][::-1], bottom - 1 - y),
        (left, solid[top:bottom, left:right].T, x - left),
        (w - right, solid[top:bottom, left:right].T[::-1], right - 1 - x),
    )
    distances = [distance for gap, seen, distance in sides if gap > 2 and _is_straight(seen)]
    if not distances:
        return matte
    nearest = np.minimum.reduce([np.broadcast_to(distance, (h, w)) for distance in distances])
    waver = fractal_noise(stream(0, "cut"), h, w, 0.07 * max(h, w), 4)
    return matte * smoothstep(nearest * np.exp(0.3 * waver) * (1 / (FADE * min(h, w))), 0, 1)


def _extent(solid: Mask, axis: int) -> tuple[int, int]:
    """First and one past the last occupied row (axis 1) or column (axis 0)."""
    places = np.flatnonzero(solid.any(axis=axis))
    return int(places[0]), int(places[-1]) + 1


def _is_straight(seen: Mask) -> bool:
    """Whether the subject (its bounding box, the side in question first) begins in a ruled line."""
    depth = round(DEPTH * seen.shape[0])
    return bool(seen[depth].mean() > STRAIGHT)
