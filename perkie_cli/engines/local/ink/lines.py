"""Ink lines: soft ones along the flow, then brush strokes: long contours first, and fur from light to dark."""

import math
from collections.abc import Iterator
from typing import cast

import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.flow import Flow, along_flow, line_response, long_lines
from perkie_cli.engines.local.ink.study import Study
from perkie_cli.engines.local.noise import stream, unit, white_noise
from perkie_cli.engines.local.planes import CUBIC, NEAREST, Ints, Plane, blur, resize, smoothstep
from perkie_cli.engines.local.strokes import (
    GoOn,
    Seeds,
    fill,
    path_outlines,
    scatter,
    trace,
    while_above,
    while_similar,
)

SHADE = 150  # grey level of a stroke of density 1


@frozen
class Lines:
    """Line maps 0..1, each (h, w)."""

    narrow: Plane
    wide: Plane
    ridge: Plane  # bright: whiskers

    @property
    def contour(self) -> Plane:
        """Where a long brush line may run."""
        return np.clip(self.wide + 0.4 * self.narrow, 0, 1)


@frozen
class _Brush:
    """One kind of stroke; lengths at 1024 px."""

    name: str
    gap: float  # between seeds
    radius: float
    steps: int  # most to either side
    step: float
    least: int  # points of a stroke worth drawing
    outline: int  # points of the outline's spine
    load: float  # of ink
    turn: float = math.pi  # most it bends away from its seed, radians
    share: float = 1.0  # of seeds on dense fur


CONTOUR = _Brush("contour", 11.0, 1.8, 26, 2.6, 12, 16, 1.0)
FUR = (
    _Brush("broad fur", 7.5, 2.5, 9, 2.2, 4, 8, 0.85, turn=0.8, share=0.42),
    _Brush("fine fur", 4.2, 1.15, 10, 2.2, 4, 8, 0.85, turn=0.8, share=0.60),
)


def read_lines(view: Study) -> Lines:
    """Wide lines always, narrow ones only where they hang together."""
    scale = view.scene.scale
    fine = line_response(blur(view.lightness, 1.1 * scale), view.flow, 1.35 * scale, 5 * scale)
    coarse = line_response(blur(view.lightness, 1.6 * scale), view.flow, 2.9 * scale, 9 * scale)
    narrow, wide = smoothstep(-fine, 0.020, 0.065), smoothstep(-coarse, 0.020, 0.060)
    narrow *= long_lines(narrow, 26 * scale) * (0.25 + 0.75 * view.rough)
    wide *= long_lines(wide, 44 * scale) * (0.35 + 0.65 * view.rough)
    return Lines(narrow, wide, smoothstep(fine, 0.022, 0.060) * smoothstep(view.coherence, 0.25, 0.6))


def draw_lines(ink: Plane, view: Study, lines: Lines, strength: float) -> Plane:
    """Ink with the soft lines drawn in and whiskers left out."""
    small, tooth = view.water.small, view.paper.tooth
    base = blur(view.lightness, 1.5 * view.scene.scale)
    pressure = np.clip(0.55 + 0.35 * small + 0.9 * smoothstep(0.55 - base, 0, 0.5), 0.1, 1.3)
    line = np.maximum(0.45 * lines.narrow, lines.wide) * pressure
    line *= np.clip(1.25 - 0.42 * tooth - 0.25 * small, 0.35, 1)
    return cast(Plane, ink * (1 - 0.55 * lines.ridge) + 1.55 * strength * line * np.clip(view.reach * 1.15, 0, 1))


def brush_strokes(view: Study, lines: Lines, seed: int) -> Plane:
    """Density of all strokes, broken by the paper's tooth and the hairs of the brush."""
    strokes = [stroke for strokes in _strokes(view, lines, seed) for stroke in strokes]
    strokes.sort(key=lambda stroke: stroke[0])  # light first
    sheet = np.zeros(view.lightness.shape, np.uint8)
    shades = [int(min(max(density * SHADE, 8), 255)) for density, _ in strokes]
    fill(sheet, [outline for _, outline in strokes], shades)
    hairs = _hairs(view, seed)
    dry = np.clip(1.08 - 0.28 * view.paper.tooth - 0.22 * view.water.small - 0.30 * hairs, 0.08, 1.25)
    return cast(Plane, sheet.astype(np.float32) * (1 / SHADE) * dry)


def _strokes(view: Study, lines: Lines, seed: int) -> Iterator[list[tuple[float, Ints]]]:
    """(density, outline) of each stroke, a list for each kind of brush."""
    scale = view.scene.scale
    contour, on_contour = lines.contour, lines.contour * view.reach
    rng = stream(seed, CONTOUR.name)
    seeds = scatter(rng, view.scene.height, view.scene.width, max(2.0, CONTOUR.gap * scale))
    seeds = seeds[on_contour.ravel()[seeds.pixel] > 0.45]
    yield _stroke(view, CONTOUR, seeds, while_above(contour, 0.12), rng)
    form = blur(view.lightness, 5 * scale)
    contrast = 5.5 + 8 * smoothstep(form, 0.77, 0.96)  # white fur is drawn, too, in pale ink
    fur = np.clip((form - view.lightness) * contrast - 0.08, 0, 1) * view.reach
    fur *= 1.15 * smoothstep(view.coherence, 0.1, 0.55) * (0.25 + 0.75 * view.rough)
    for brush in FUR:
        rng = stream(seed, brush.name)
        seeds = scatter(rng, view.scene.height, view.scene.width, max(2.0, brush.gap * scale))
        seeds = seeds[seeds.uniform(rng) < fur.ravel()[seeds.pixel] * brush.share]
        yield _stroke(view, brush, seeds, while_similar(view.lightness, 0.37), rng)


def _stroke(
    view: Study, brush: _Brush, seeds: Seeds, go_on: GoOn, rng: np.random.Generator
) -> list[tuple[float, Ints]]:
    if not len(seeds):
        return []
    scale = view.scene.scale
    back, forward = (seeds.integers(rng, brush.steps // 2, brush.steps + 3) for _ in range(2))
    paths = trace(seeds, view.flow.vectors(), back, forward, brush.step * scale, go_on, brush.turn)
    long_ = paths.valid.sum(1) >= brush.least
    paths, seeds = paths[long_], seeds[long_]
    radius = brush.radius * scale * seeds.uniform(rng, 0.45, 1.2)
    outlines = path_outlines(paths, radius, brush.outline)
    lightness, reach = view.lightness.ravel()[seeds.pixel], view.reach.ravel()[seeds.pixel]
    density = np.clip((1.12 - lightness) * 1.4, 0.2, 1.6) * seeds.uniform(rng, 0.55, 1.15)
    density *= np.clip(reach * 1.2, 0, 1) * brush.load
    return list(zip(density.tolist(), outlines, strict=True))


def _hairs(view: Study, seed: int) -> Plane:
    """Separate hairs of the brush along the flow; unit variance, (h, w)."""
    h, w = view.lightness.shape
    half_w, half_h = max(8, w // 2), max(8, h // 2)
    noise = white_noise(stream(seed, "hairs"), half_h, half_w)
    flow = Flow(*(np.ascontiguousarray(resize(v, half_w, half_h, NEAREST)) for v in (view.flow.x, view.flow.y)))
    hairs = along_flow(noise, flow, 6 * view.scene.scale)
    return resize(unit(hairs), w, h, CUBIC)
