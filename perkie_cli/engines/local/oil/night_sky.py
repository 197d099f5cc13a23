"""The sky behind the subject: drift, vortices of alternating sense, a stream around the animal, curl noise, stars."""

import math
from typing import cast

import cv2
import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.noise import fractal_noise, stream
from perkie_cli.engines.local.planes import Plane, blur, channels, columns, resize, rows
from perkie_cli.engines.local.scene.subject import Scene

COARSE = 4  # the field is smooth: made for every fourth pixel
VORTICES = 5
CROWDED = 0.06  # of the pet near the middle of a star
SHOULDERS = 0.55  # of the pet's height from the top


@frozen
class Sky:
    """Flow in double-angle space, and how much light a star gives, 0..1; each (h, w)."""

    cos2: Plane
    sin2: Plane
    stars: Plane


@frozen
class _Vortex:
    x: float
    y: float
    radius: float
    sense: int


def night_sky(scene: Scene, seed: int) -> Sky:
    """A sky that flows around the scene's subject."""
    h, w = scene.height, scene.width
    rng = stream(seed, "sky")
    x, y = columns(w)[:, ::COARSE], rows(h)[::COARSE]
    long_side = max(h, w)
    cx, cy = scene.centre()
    radius = math.sqrt(scene.coverage() * h * w / math.pi)
    vx = np.full((y.shape[0], x.shape[1]), 0.55, np.float32)
    vy = 0.22 * np.sin(x / long_side * 6.3 + rng.uniform(0, 6)) + 0 * y
    stars = np.zeros_like(vx)
    for vortex in _place_vortices(scene, rng):
        dx, dy, distance = _polar(x, y, vortex.x, vortex.y)
        spin = np.exp(-0.8 * (distance / vortex.radius) ** 2) * (4.2 * vortex.sense) / distance
        vx -= dy * spin
        vy += dx * spin
        stars = np.maximum(stars, _star(distance / vortex.radius))
    dx, dy, distance = _polar(x, y, cx, cy)
    around = np.exp(-(((distance - radius * 1.05) / (0.35 * radius + 1)) ** 2)) * 1.3 / distance
    vx -= dy * around
    vy += dx * around
    potential = blur(fractal_noise(rng, *vx.shape, long_side / 20, 2), 3.0)
    vx += cv2.Sobel(potential, -1, 0, 1) * (long_side / 90)
    vy -= cv2.Sobel(potential, -1, 1, 0) * (long_side / 90)
    norm = 1 / (vx * vx + vy * vy + 1e-9)
    return Sky(*channels(resize(np.dstack([(vx * vx - vy * vy) * norm, 2 * vx * vy * norm, stars]), w, h)))


def _star(distance: Plane) -> Plane:
    """Light by the distance in radii: a bright core, a ring, and a glow that fades into the night."""
    core = np.exp(-((distance / 0.30) ** 2))
    ring = 0.42 * np.exp(-(((distance - 0.66) / 0.13) ** 2))
    glow = 0.50 * np.exp(-((distance / 0.85) ** 2))
    return cast(Plane, np.minimum(core + ring + glow, 1))


def _polar(x: Plane, y: Plane, cx: float, cy: float) -> tuple[Plane, Plane, Plane]:
    """Offsets from a centre, and the distance."""
    dx, dy = x - cx, y - cy
    return dx, dy, np.sqrt(dx * dx + dy * dy) + 1e-3


def _place_vortices(scene: Scene, rng: np.random.Generator) -> list[_Vortex]:
    """Up to VORTICES whirls above the pet's shoulders that neither crowd it nor overlap."""
    h, w = scene.height, scene.width
    size = min(max(h, w), 1.6 * min(h, w))
    near = blur(scene.subject, 0.05 * size)
    lowest = _shoulders(scene.subject)
    placed: list[_Vortex] = []
    for _ in range(400):
        if len(placed) == VORTICES:
            break
        x, y, radius = rng.uniform(0.03, 0.97) * w, rng.uniform(0, 0.95) * h, rng.uniform(0.065, 0.135) * size
        if y > lowest or near[int(y), int(x)] > CROWDED:
            continue
        if all(math.hypot(x - v.x, y - v.y) >= (radius + v.radius) * 0.95 for v in placed):
            placed.append(_Vortex(x, y, radius, 1 if rng.random() < 0.6 else -1))
    return placed


def _shoulders(subject: Plane) -> float:
    """The row below which no star rises: the height of the pet's shoulders."""
    occupied = np.flatnonzero((subject[::COARSE] > 0.6).any(1)) * COARSE
    return float(occupied[0] + SHOULDERS * (occupied[-1] - occupied[0])) if len(occupied) else float(len(subject))
