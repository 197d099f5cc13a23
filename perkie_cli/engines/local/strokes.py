"""Brush strokes: all seeds of a layer are traced along the flow at once, and each becomes one smooth ribbon.

A stroke is a cubic y = a x² + b x³ in the frame of its seed, from x = start to x = end. From it follow both the polygon
that `cv2.fillPoly` draws and, later and for all visible pixels at once, the exact brush coordinates (along, across).
Painterly layers: Hertzmann, Painterly rendering with curved brush strokes of multiple sizes (1998).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import cv2
import numpy as np
import numpy.typing as npt

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.planes import Bytes, Ints, Mask, Plane

SUBPIXEL_BITS: Final = 4  # of polygon coordinates
INERTIA: Final = 0.1  # how much a stroke keeps its direction from step to step

STROKE: Final = np.dtype([(name, np.float32) for name in (
    "x", "y", "dx", "dy",  # the seed and the unit tangent there
    "a", "b", "start", "end", "radius",  # the cubic in that frame, and the brush
    "height", "contrast", "print", "offset",  # of the paint: relief, hair contrast, which brush print and where
)])  # fmt: skip
Strokes = npt.NDArray[np.void]  # of dtype STROKE
Polygons = Ints  # (n, points, 2), coordinates with SUBPIXEL_BITS
Indices = npt.NDArray[np.integer[Any]]
GoOn = Callable[[Ints, Ints], Mask]  # pixels reached, pixels of their seeds -> whether each stroke goes on


@frozen
class Seeds:
    """Where strokes begin, one at most in each of `cells` cells of a grid.

    Random numbers are drawn for every cell, so that one stroke more or less (a rounding elsewhere) moves no other.
    """

    x: Plane  # each (n,)
    y: Plane
    pixel: Ints
    cell: Indices
    cells: int

    def __len__(self) -> int:
        return len(self.pixel)

    def __getitem__(self, chosen: Mask | Indices) -> Seeds:
        return Seeds(self.x[chosen], self.y[chosen], self.pixel[chosen], self.cell[chosen], self.cells)

    def uniform(self, rng: np.random.Generator, low: float = 0.0, high: float = 1.0) -> Plane:
        """(n,) uniform numbers."""
        return low + (high - low) * rng.random(self.cells, np.float32)[self.cell]

    def integers(self, rng: np.random.Generator, low: int, high: int) -> Ints:
        """(n,) integers, `high` excluded."""
        return self.uniform(rng, low, high).astype(np.int32)

    def normal(self, rng: np.random.Generator, count: int) -> Plane:
        """(n, count) normal numbers."""
        return rng.standard_normal((self.cells, count), np.float32)[self.cell]

    def shuffled(self, rng: np.random.Generator) -> Seeds:
        """The same seeds in random order."""
        return self[np.argsort(self.uniform(rng), kind="stable")]


@frozen
class Paths:
    """Traced points (n, m, 2) and which are valid: one run a row around column `home`, where the seed is."""

    points: Plane
    valid: Mask
    home: int

    def __getitem__(self, chosen: Mask) -> Paths:
        return Paths(self.points[chosen], self.valid[chosen], self.home)


def scatter(rng: np.random.Generator, height: int, width: int, gap: float) -> Seeds:
    """One seed at a random place in every cell of a grid."""
    y, x = (v.ravel() for v in np.meshgrid(np.arange(0, height, gap), np.arange(0, width, gap), indexing="ij"))
    y = np.clip(y + rng.uniform(0, gap, y.size), 0, height - 1.01).astype(np.float32)
    x = np.clip(x + rng.uniform(0, gap, x.size), 0, width - 1.01).astype(np.float32)
    return Seeds(x, y, _pixel(x, y, width), np.arange(len(x)), len(x))


def _pixel(x: Plane, y: Plane, width: int) -> Ints:
    return y.astype(np.int32) * np.int32(width) + x.astype(np.int32)


def while_similar(reference: Plane, tolerance: float) -> GoOn:
    """Go on while (h, w, c) `reference` differs from its value at the seed by less than `tolerance`, summed over c."""
    values = reference.reshape(-1, reference.shape[2] if reference.ndim == 3 else 1)

    def rule(here: Ints, start: Ints) -> Mask:
        difference = np.take(values, here, axis=0, mode="clip") - np.take(values, start, axis=0)
        return cast(Mask, np.abs(difference).sum(1) < tolerance)

    return rule


def while_above(level: Plane, floor: float) -> GoOn:
    """Go on while (h, w) `level` is above `floor`."""
    values = level.ravel()
    return lambda here, _start: np.take(values, here, mode="clip") > floor


def trace(
    seeds: Seeds, flow: Plane, back: Ints, forward: Ints, step: float, go_on: GoOn, max_turn: float = math.pi
) -> Paths:
    """Follow the (h, w, 2) unit vectors from every seed at once, at most `back` and `forward` steps of `step` px.

    `max_turn`: radians from the direction at the seed.
    """
    home, ahead = int(back.max()), int(forward.max())
    points = np.zeros((len(seeds), home + 1 + ahead, 2), np.float32)
    valid = np.zeros(points.shape[:2], bool)
    points[:, home, 0], points[:, home, 1], valid[:, home] = seeds.x, seeds.y, True
    paths = Paths(points, valid, home)
    _walk(paths, seeds, flow, -1, back, step, go_on, max_turn)
    _walk(paths, seeds, flow, 1, forward, step, go_on, max_turn)
    return paths


def _walk(
    paths: Paths, seeds: Seeds, flow: Plane, sign: int, count: Ints, step: float, go_on: GoOn, max_turn: float
) -> None:
    """Fill in one side of the paths; `count`: most steps of each."""
    height, width = flow.shape[:2]
    vectors = flow.reshape(-1, 2)
    origin = np.take(vectors, seeds.pixel, axis=0) * sign
    cos_turn = math.cos(max_turn) if max_turn < math.pi else -2.0
    live, x, y = np.arange(len(seeds)), seeds.x, seeds.y
    vx, vy = origin[:, 0], origin[:, 1]
    for k in range(1, int(count.max()) + 1):
        x, y = x + vx * step, y + vy * step
        pixel = _pixel(x, y, width)
        there = np.take(vectors, pixel, axis=0, mode="clip")
        ux, uy = there[:, 0], there[:, 1]
        along = np.copysign(np.float32(1 - INERTIA), ux * vx + uy * vy)
        vx, vy = ux * along + vx * INERTIA, uy * along + vy * INERTIA
        norm = 1 / (np.sqrt(vx * vx + vy * vy) + 1e-6)
        vx, vy = vx * norm, vy * norm
        keep = (count[live] >= k) & (x >= 0) & (y >= 0) & (x < width) & (y < height)
        keep &= vx * origin[live, 0] + vy * origin[live, 1] > cos_turn
        keep &= go_on(pixel, seeds.pixel[live])
        live, x, y, vx, vy = live[keep], x[keep], y[keep], vx[keep], vy[keep]
        if not len(live):
            break
        column = paths.home + sign * k
        paths.points[live, column, 0], paths.points[live, column, 1], paths.valid[live, column] = x, y, True


def fit_cubics(paths: Paths, seeds: Seeds, flow: Plane, radius: Plane) -> Strokes:
    """The cubic nearest each path (least squares, ridge), bent no tighter than the brush allows; paint left at 0."""
    tangent = np.take(flow.reshape(-1, 2), seeds.pixel, axis=0)
    offset = paths.points - paths.points[:, paths.home, None]
    along = (offset[..., 0] * tangent[:, :1] + offset[..., 1] * tangent[:, 1:]) * paths.valid
    across = (offset[..., 1] * tangent[:, :1] - offset[..., 0] * tangent[:, 1:]) * paths.valid
    start, end = along.min(1), along.max(1)
    reach = np.maximum(np.maximum(-start, end), 1)
    t = along / reach[:, None]
    t2 = t * t
    t3 = t2 * t
    m11, m12, m22 = (t2 * t2).sum(1) + 0.02, (t2 * t3).sum(1), (t3 * t3).sum(1) + 0.05
    r1, r2 = (t2 * across).sum(1), (t3 * across).sum(1)
    determinant = m11 * m22 - m12 * m12
    tightest = 0.42 / radius  # a tighter ribbon would overlap itself, and fillPoly is even-odd
    strokes = np.zeros(len(seeds), STROKE)
    strokes["x"], strokes["y"], strokes["dx"], strokes["dy"] = seeds.x, seeds.y, tangent[:, 0], tangent[:, 1]
    strokes["a"] = np.clip((m22 * r1 - m12 * r2) / determinant / reach**2, -tightest, tightest)
    limit = 0.6 * tightest / reach
    strokes["b"] = np.clip((m11 * r2 - m12 * r1) / determinant / reach**3, -limit, limit)
    strokes["start"], strokes["end"], strokes["radius"] = start, end, radius
    return strokes


def brush_outlines(strokes: Strokes, points: int, ragged: Plane) -> Polygons:
    """Ribbons with ends like the separate hairs of a flat brush.

    `ragged` (n, 2 * hairs): how far the hairs of both ends stand out, in radii.
    """
    x, y, slope, t = _spine(strokes, points)
    radius = strokes["radius"][:, None]
    upper, lower = _sides(x, y, slope, radius * (0.88 + 0.12 * np.sin(np.pi * t)))
    count = ragged.shape[1] // 2
    hairs = np.linspace(0.62, -0.62, count, dtype=np.float32)[None]

    def cap(column: int, sign: int, jag: Plane) -> Plane:
        out = (0.62 * np.sqrt(1 - hairs * hairs) + jag) * radius * sign
        side = hairs * radius * sign
        x_, y_, slope_ = x[:, column, None], y[:, column, None], slope[:, column, None]
        cos = 1 / np.sqrt(1 + slope_ * slope_)
        return np.stack([x_ + cos * out - slope_ * cos * side, y_ + slope_ * cos * out + cos * side], -1)

    tip, tail = cap(-1, 1, ragged[:, :count]), cap(0, -1, ragged[:, count:])
    return _place(strokes, np.concatenate([upper, tip, lower[:, ::-1], tail], 1))


def tapered_outlines(strokes: Strokes, points: int, taper: float = 0.85) -> Polygons:
    """Ribbons that thin out towards both ends: contours and whiskers."""
    x, y, slope, t = _spine(strokes, points)
    half = strokes["radius"][:, None] * (1 - taper + taper * np.sin(np.pi * t**0.8))
    upper, lower = _sides(x, y, slope, half)
    return _place(strokes, np.concatenate([upper, lower[:, ::-1]], 1))


def _spine(strokes: Strokes, points: int) -> tuple[Plane, Plane, Plane, Plane]:
    """x, y and slope (n, points) along each cubic, and the parameter 0..1 (1, points)."""
    t = np.linspace(0, 1, points, dtype=np.float32)[None]
    start, a, b = strokes["start"][:, None], strokes["a"][:, None], strokes["b"][:, None]
    x = start + (strokes["end"][:, None] - start) * t
    return x, (a + b * x) * x * x, (2 * a + 3 * b * x) * x, t


def _sides(x: Plane, y: Plane, slope: Plane, half_width: Plane) -> tuple[Plane, Plane]:
    cos = 1 / np.sqrt(1 + slope * slope)
    dx, dy = slope * cos * half_width, cos * half_width
    return np.stack([x - dx, y + dy], -1), np.stack([x + dx, y - dy], -1)


def _place(strokes: Strokes, outline: Plane) -> Polygons:
    """From the frames of the seeds to subpixel picture coordinates."""
    dx, dy = strokes["dx"][:, None], strokes["dy"][:, None]
    x = strokes["x"][:, None] + outline[..., 0] * dx - outline[..., 1] * dy
    y = strokes["y"][:, None] + outline[..., 0] * dy + outline[..., 1] * dx
    return _subpixel(np.stack([x, y], -1))


def _subpixel(points: Plane) -> Polygons:
    return np.rint(points * (1 << SUBPIXEL_BITS)).astype(np.int32)


def path_outlines(paths: Paths, radius: Plane, points: int) -> Polygons:
    """Tapered ribbons straight along traced points: long ink lines keep every bend."""
    first, count = paths.valid.argmax(1)[:, None], paths.valid.sum(1)[:, None]
    t = np.linspace(0, 1, points, dtype=np.float32)[None]
    position = first + t * (count - 1)
    low = np.minimum(position.astype(np.int32), paths.valid.shape[1] - 1)
    high = np.minimum(low + 1, first + count - 1)
    fraction = (position - low)[..., None].astype(np.float32)
    row = np.arange(len(low))[:, None]
    spine = paths.points[row, low] * (1 - fraction) + paths.points[row, high] * fraction
    tangent = np.empty_like(spine)
    tangent[:, 1:-1] = spine[:, 2:] - spine[:, :-2]
    tangent[:, 0], tangent[:, -1] = spine[:, 1] - spine[:, 0], spine[:, -1] - spine[:, -2]
    tangent /= np.sqrt((tangent * tangent).sum(-1, keepdims=True)) + 1e-6
    half = (np.sin(np.pi * t**0.8).clip(0) * radius[:, None] + 0.12)[..., None]
    normal = np.stack([-tangent[..., 1], tangent[..., 0]], -1) * half
    return _subpixel(np.concatenate([spine + normal, (spine - normal)[:, ::-1]], 1))


def fill(canvas: Bytes, polygons: Sequence[Ints], shades: Sequence[int]) -> None:
    """Anti-aliased shapes of one shade each, in order."""
    for polygon, shade in zip(polygons, shades, strict=True):
        cv2.fillPoly(canvas, [polygon], shade, cv2.LINE_AA, SUBPIXEL_BITS)


def lay_paint(canvas: Bytes, labels: Ints, polygons: Polygons, colours: Bytes, first: int) -> None:
    """Anti-aliased colour into `canvas`, the stroke's number (from `first`) into `labels`; later strokes cover."""
    numbered = enumerate(zip(polygons, colours.tolist(), strict=True), first)
    for number, (polygon, colour) in numbered:
        cv2.fillPoly(canvas, [polygon], colour, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.fillPoly(labels, [polygon], number, cv2.LINE_8, SUBPIXEL_BITS)
