"""Thick paint: hairs, rims and relief of the visible strokes, lit from the upper left."""

import functools
from typing import cast

import cv2
import numpy as np

from perkie_cli.engines.local.noise import fractal_noise, stream, white_noise
from perkie_cli.engines.local.planes import (
    Bytes,
    Ints,
    Plane,
    blur,
    channels,
    columns,
    power,
    rows,
    smoothstep,
    to_bytes,
)
from perkie_cli.engines.local.strokes import STROKE, Strokes

PRINTS = 24  # brush prints in the bank
ACROSS, ALONG = 48, 256  # samples of a print; it repeats along the stroke
BAND = 64  # rows at a time: the temporaries stay in the cache


@functools.cache
def bristle_prints() -> Plane:
    """(PRINTS, ACROSS, ALONG) hair profiles across a brush, slowly changing along the stroke; mean 0.5."""
    rng = stream(5, "bristles")
    prints = np.empty((PRINTS, ACROSS, ALONG), np.float32)
    for i in range(PRINTS):
        raw = np.tile(white_noise(rng, ACROSS, ALONG), (1, 3))
        long_, short = _hairs(raw, 24, 0.9), _hairs(raw, 24 / 5, 0.6)
        profile = cv2.GaussianBlur(white_noise(rng, ACROSS, 1), (0, 0), 1.2)
        z = long_ / long_.std() + profile / profile.std() + short / short.std() * 0.4
        prints[i] = np.clip(0.5 + 0.22 * (z - z.mean()) / z.std(), 0, 1)
    return prints


def _hairs(raw: Plane, length: float, width: float) -> Plane:
    return cast(Plane, cv2.GaussianBlur(raw, (0, 0), sigmaX=length, sigmaY=width)[:, ALONG : 2 * ALONG])


def light_paint(canvas: Bytes, labels: Ints, strokes: Strokes, relief: float, seed: int, scale: float) -> Bytes:
    """The (h, w, 3) canvas with its paint's relief; `labels` (h, w) name the visible stroke, -1 is bare ground."""
    height, hair = _surface(labels, strokes)
    h, w = labels.shape
    weave = fractal_noise(stream(seed, "weave"), h, w, 2.2 * scale, 2)
    height = blur(height, 0.7 * scale) + 0.25 * blur(height, 2 * scale) + 0.015 * weave
    slope = 2.1 / 16 * relief * scale
    gx, gy = cv2.Scharr(height, -1, 1, 0, scale=slope), cv2.Scharr(height, -1, 0, 1, scale=slope)
    facing = 1 / np.sqrt(1 + gx * gx + gy * gy)
    diffuse = (gx * 0.55 + gy * 0.62 + 0.56) * facing
    shade = np.clip(1 + 0.52 * (diffuse - 0.56), 0.6, 1.4) * (1 + hair)
    gloss = power(np.clip((gx * 0.33 + gy * 0.37 + 0.87) * facing, 0, 1), 28)
    paint = channels(canvas.astype(np.float32) * (1 / 255))
    brightest = cv2.max(cv2.max(paint[0], paint[1]), paint[2])
    shine = 0.10 * np.clip(gloss - 0.10, 0, 1) * (0.3 + 0.7 * brightest)
    return cast(Bytes, cv2.merge([to_bytes(channel * shade + shine) for channel in paint]))


def _surface(labels: Ints, strokes: Strokes) -> tuple[Plane, Plane]:
    """Height of the paint, and the relative lightness of its hairs, each (h, w)."""
    bare = np.zeros(1, STROKE)
    bare["radius"], bare["height"], bare["contrast"] = 1, 0.3, 0.05
    table = np.concatenate([strokes, bare])
    table = table.view(np.float32).reshape(len(table), -1)
    height, hair = np.empty(labels.shape, np.float32), np.empty(labels.shape, np.float32)
    x = columns(labels.shape[1])
    for top in range(0, labels.shape[0], BAND):
        band = slice(top, top + BAND)
        paint = np.take(table, labels[band], axis=0, mode="wrap").view(STROKE)[..., 0]
        height[band], hair[band] = _paint_surface(paint, x, rows(labels.shape[0])[band])
    return height, hair


def _paint_surface(paint: Strokes, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Height and hairs of pixels at `x`, `y`, given each one's stroke."""
    along, across = _brush_coordinates(paint, x, y)
    v = np.clip((across * 0.5 + 0.5) * (ACROSS - 1) + 0.5, 0, ACROSS - 1).astype(np.int32)
    u = (along + paint["offset"]).astype(np.int32) & (ALONG - 1)
    hairs = bristle_prints().ravel()[(paint["print"].astype(np.int32) * ACROSS + v) * ALONG + u]
    rim = np.minimum(across * across, 1.2) ** 2
    inside = smoothstep(1.25 - np.abs(across), 0, 0.35)  # hard label edges fade out under the soft colour edges
    height = paint["height"] * (0.40 + 0.80 * hairs * inside + 0.35 * rim)
    return height, (hairs - 0.5) * paint["contrast"] * inside


def _brush_coordinates(paint: Strokes, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Pixels along the stroke from its start, and -1..1 across it; straight beyond the ends."""
    px, py, dx, dy = x - paint["x"], y - paint["y"], paint["dx"], paint["dy"]
    along, across = px * dx + py * dy, py * dx - px * dy
    a, b = paint["a"], paint["b"]
    inner = np.minimum(np.maximum(along, paint["start"]), paint["end"])
    slope = (2 * a + 3 * b * inner) * inner
    spine = (a + b * inner) * inner * inner + slope * (along - inner)
    return along - paint["start"], (across - spine) / np.sqrt(1 + slope * slope) / paint["radius"]
