"""Van Gogh: five layers of flowing strokes from coarse to fine, contours, whiskers, and the paint's relief."""

from typing import cast

import cv2
import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.flow import Flow, Orientation, direction, line_response, long_lines, orientation
from perkie_cli.engines.local.looks import VanGogh
from perkie_cli.engines.local.noise import fractal_noise, stream
from perkie_cli.engines.local.oil.impasto import ALONG, PRINTS, light_paint
from perkie_cli.engines.local.oil.night_sky import Sky, night_sky
from perkie_cli.engines.local.oil.palette import Sitter, read_sitter, reference_picture
from perkie_cli.engines.local.planes import (
    Bytes,
    Ints,
    Mask,
    Picture,
    Plane,
    blur,
    disc,
    smoothstep,
    to_bytes,
    weighted,
)
from perkie_cli.engines.local.scene.ground import find_ground
from perkie_cli.engines.local.scene.subject import Scene
from perkie_cli.engines.local.strokes import (
    Seeds,
    Strokes,
    brush_outlines,
    fit_cubics,
    lay_paint,
    scatter,
    tapered_outlines,
    trace,
    while_above,
    while_similar,
)


@frozen
class _Layer:
    """One size of brush; lengths at 1024 px."""

    name: str
    radius: float
    steps: int  # most steps of a stroke to either side
    gap: float  # between seeds
    error: float  # how far the canvas must be off before a stroke is laid
    height: float  # of the paint
    contrast: float  # of the hairs
    jitter: float  # of the colour
    tolerance: float  # how far the reference may change along a stroke
    detail: float  # least detail of the place
    ground: bool = False  # covers everything
    sky: float = 0.0  # share of strokes laid in the sky whatever the error


LAYERS = (
    _Layer("layer0", 17.0, 4, 36.0, 0.0, 0.55, 0.20, 0.075, 0.50, -1, ground=True),
    _Layer("layer1", 9.0, 7, 17.6, 0.045, 0.75, 0.22, 0.070, 0.36, -1, sky=0.95),
    _Layer("layer2", 5.0, 7, 8.0, 0.048, 0.80, 0.20, 0.060, 0.26, 0.10, sky=0.10),
    _Layer("layer3", 2.8, 6, 5.2, 0.060, 0.65, 0.14, 0.040, 0.22, 0.33),
    _Layer("layer4", 1.6, 5, 3.55, 0.072, 0.40, 0.08, 0.022, 0.17, 0.64),
)
# above this radius in px: points along a stroke's outline, hairs at its ends; each edge of a polygon costs time
OUTLINES = ((6, 7, 4), (4, 6, 3), (2, 5, 2), (0, 4, 2))


@frozen
class _Accent:
    """Thin tapered strokes along a line map."""

    name: str
    share: float  # of seeds on a full line
    steps: tuple[int, int]
    radius: tuple[float, float]
    keep: float  # of the colour beneath
    add: tuple[float, float, float]
    height: float
    least: float  # length


@frozen
class _Easel:
    """The picture in the making."""

    scene: Scene
    seed: int
    reference: Picture
    flow: Plane  # (h, w, 2) of the brush
    detail: Plane
    sky: Plane  # 0 subject .. 1 sky
    canvas: Bytes
    labels: Ints
    strokes: list[Strokes]

    @property
    def count(self) -> int:
        """Strokes laid so far."""
        return sum(map(len, self.strokes))


def paint(scene: Scene, look: VanGogh, seed: int) -> Bytes:
    """The painting of a scene, (h, w, 3)."""
    sitter = read_sitter(scene, look.colour)
    own = _own_orientation(scene, sitter)
    sky = night_sky(scene, seed)
    easel = _prepare(scene, sitter, own, sky, look, seed)
    for layer in LAYERS:
        _lay(easel, layer, look.stroke_scale)
    if look.contour:
        _draw_lines(easel, sitter, own, look.contour)
    return light_paint(easel.canvas, easel.labels, np.concatenate(easel.strokes), look.relief, seed, scene.scale)


def _own_orientation(scene: Scene, sitter: Sitter) -> Orientation:
    """The subject's own flow, from lightness, colour and the cut."""
    features = [sitter.lightness, sitter.a * (0.7 / 128), sitter.b * (0.7 / 128)]
    if scene.cut_out:
        features.append(scene.subject * 0.5)
    return orientation(cast(Plane, cv2.merge(features)), 2.6 * scene.scale)


def _prepare(scene: Scene, sitter: Sitter, own: Orientation, sky: Sky, look: VanGogh, seed: int) -> _Easel:
    """Reference, brush directions and a toned ground."""
    outside = 1 - scene.subject
    if scene.cut_out:
        behind = smoothstep(outside, 0.35, 0.75)
    else:
        behind = look.sky * smoothstep(outside, 0.24, 0.74) * (1 - 0.9 * smoothstep(own.magnitude, 0.03, 0.10))
    weight = (1 - behind) * (0.25 + 0.75 * own.coherence)
    ground = find_ground(scene)
    level = 0.85 * ground.floor  # the ground lies level, with a little swell
    swell = 0.8 * fractal_noise(stream(seed, "swell"), scene.height, scene.width, 90 * scene.scale, 2)
    cos2 = own.cos2 * weight + (sky.cos2 * (1 - level) + np.cos(swell) * level) * (behind + 0.05)
    sin2 = own.sin2 * weight + (sky.sin2 * (1 - level) + np.sin(swell) * level) * (behind + 0.05)
    flow = direction(cos2, sin2)
    reference = reference_picture(scene, sitter, sky, ground, look, seed)
    detail = smoothstep(blur(own.magnitude, 5 * scene.scale), 0.012, 0.06)
    detail = np.maximum(detail * (0.35 + 0.65 * smoothstep(scene.subject, 0.3, 0.8)), sitter.sparks)
    toned = np.clip(blur(reference, 12 * scene.scale) * 0.9 + np.array([0.058, 0.043, 0.024], np.float32), 0, 1)
    canvas = np.ascontiguousarray((toned * 255).astype(np.uint8))
    labels = np.full(canvas.shape[:2], -1, np.int32)
    return _Easel(scene, seed, reference, flow.vectors(), detail, behind * (1 - 0.8 * ground.floor), canvas, labels, [])


def _lay(easel: _Easel, layer: _Layer, stroke_scale: float) -> None:
    """One layer of strokes where the canvas is still off the reference."""
    scale = easel.scene.scale * stroke_scale
    radius = max(layer.radius * scale, 0.8)
    rng = stream(easel.seed, layer.name)
    reference = blur(easel.reference, max(0.6, radius * 0.45))
    seeds = scatter(rng, easel.scene.height, easel.scene.width, max(layer.gap * scale, 1.5))
    if not layer.ground:
        seeds = seeds[_wanted(easel, layer, seeds, reference, radius, rng)]
    if not len(seeds):
        return
    seeds = seeds.shuffled(rng)
    sky = easel.sky.ravel()[seeds.pixel]
    slender = (sky > 0.5) & (layer.sky > 0)  # and long
    back, forward = (
        seeds.integers(rng, max(2, int(layer.steps * 0.55)), layer.steps + 2) + 4 * slender for _ in range(2)
    )
    radii = seeds.uniform(rng, 0.75 * radius, 1.15 * radius) * np.where(slender, np.float32(0.74), np.float32(1))
    step = radius * (1.2 if layer.sky or layer.ground else 1.7)
    go_on = while_similar(reference, layer.tolerance)
    paths = trace(seeds, easel.flow, back * 6 // 10, forward * 6 // 10 + 1, step, go_on, max_turn=1.0)
    strokes = fit_cubics(paths, seeds, easel.flow, radii)
    points, hairs = next(shape for least, *shape in OUTLINES if radius > least)
    ragged = np.stack([seeds.uniform(rng, -0.3, 0.3) for _ in range(2 * hairs)], 1)
    outlines = brush_outlines(strokes, points, ragged)
    colours = _mix(reference.reshape(-1, 3)[seeds.pixel], sky, layer, seeds, rng)
    _load_brush(strokes, layer.height, layer.contrast, seeds, rng)
    lay_paint(easel.canvas, easel.labels, outlines, to_bytes(colours), easel.count)
    easel.strokes.append(strokes)


def _wanted(
    easel: _Easel, layer: _Layer, seeds: Seeds, reference: Picture, radius: float, rng: np.random.Generator
) -> Mask:
    """Which seeds get a stroke: where the error is large and the place detailed enough, and a share of the sky."""
    difference = cv2.absdiff(easel.canvas, cv2.convertScaleAbs(reference, alpha=255))
    error = cast(Plane, cv2.transform(difference, np.full((1, 3), 1 / 3, np.float32)))
    error = blur(error, max(1.0, radius * 0.5))
    detail = easel.detail.ravel()[seeds.pixel]
    off = error.ravel()[seeds.pixel].astype(np.float32) * (1 / 255)
    wanted = (off > layer.error * (1.15 - 0.5 * detail)) & (detail > layer.detail)
    return wanted | ((easel.sky.ravel()[seeds.pixel] > 0.5) & (seeds.uniform(rng) < layer.sky))


def _mix(rgb: Plane, sky: Plane, layer: _Layer, seeds: Seeds, rng: np.random.Generator) -> Plane:
    """(n, 3) paints near the reference, varied a little; large variation would be confetti."""
    lab = cast(Plane, cv2.cvtColor(rgb[None], cv2.COLOR_RGB2LAB)[0])
    jitter = seeds.normal(rng, 3) * (layer.jitter * (0.45 + 0.30 * sky + 0.25 * layer.ground))[:, None]
    lab[:, 0] += jitter[:, 0] * (95 + 50 * sky)
    lab[:, 1] += jitter[:, 1] * 130
    lab[:, 2] += jitter[:, 2] * 170
    if layer.sky:  # a few complementary touches
        touch = seeds.uniform(rng) < 0.06
        in_sky = sky[touch] > 0.5
        strength = np.where(in_sky, 1.0, 0.35).astype(np.float32)
        lab[touch, 0] += 8 * strength + 2
        lab[touch, 1] -= 10 * strength
        lab[touch, 2] += np.where(in_sky, 26, -22) * strength
    lab[:, 0] = np.clip(lab[:, 0], 6, 97)
    return np.clip(cast(Plane, cv2.cvtColor(lab[None], cv2.COLOR_LAB2RGB)[0]), 0, 1)


def _load_brush(strokes: Strokes, height: float, contrast: float, seeds: Seeds, rng: np.random.Generator) -> None:
    strokes["height"] = seeds.uniform(rng, 0.7 * height, 1.2 * height)
    strokes["contrast"] = contrast
    strokes["print"] = seeds.integers(rng, 0, PRINTS)
    strokes["offset"] = seeds.integers(rng, 0, ALONG)


def _draw_lines(easel: _Easel, sitter: Sitter, own: Orientation, strength: float) -> None:
    """Prussian-blue outlines, then bright ridges: whiskers and catch-lights."""
    flow = direction(own.cos2, own.sin2)
    dark_keep = 0.30 + 0.2 * sitter.tone.white
    outline = _Accent("contour", 0.5, (5, 9), (0.8, 1.9), dark_keep, (0.03, 0.045, 0.12), 0.45, least=9)
    whisker = _Accent("ridge", 0.6, (10, 20), (0.8, 1.4), 0.50, (0.48, 0.46, 0.38), 0.60, least=28)
    _accent(easel, outline, _outline_map(easel, flow) * strength, flow)
    _accent(easel, whisker, _ridge_map(easel.scene, sitter, own) * strength, flow)


def _outline_map(easel: _Easel, flow: Flow) -> Plane:
    scene = easel.scene
    grey = weighted(easel.reference, 0.3, 0.59, 0.11)
    edge = -line_response(blur(grey, 1.2 * scene.scale), flow, 2.2 * scene.scale, 5 * scene.scale)
    lines = smoothstep(edge, 0.006, 0.032) * smoothstep(scene.subject, 0.2, 0.6)
    lines *= long_lines(lines, 26 * scene.scale)
    if not scene.cut_out:
        return lines
    gx, gy = (cv2.Sobel(scene.subject, -1, *d, scale=0.125) for d in ((1, 0), (0, 1)))
    to_edge = np.abs(scene.subject - 0.55) / (cv2.magnitude(gx, gy) + 1e-4)  # px from the matte's edge
    cut = 0.40 * smoothstep(2.6 * scene.scale - to_edge, 0, 1.5 * scene.scale)
    return cast(Plane, np.maximum(lines * smoothstep(scene.subject, 0.5, 0.9), cut))


def _ridge_map(scene: Scene, sitter: Sitter, own: Orientation) -> Plane:
    bright = cast(Plane, cv2.morphologyEx(sitter.lightness, cv2.MORPH_TOPHAT, disc(9 * scene.scale)))
    ridge = smoothstep(blur(bright, 0.9 * scene.scale), 0.05, 0.14) * smoothstep(own.coherence, 0.3, 0.6)
    ridge *= np.maximum(smoothstep(scene.subject, 0.3, 0.7), _before_calm(scene, sitter))
    return ridge * long_lines(ridge, 30 * scene.scale)


def _before_calm(scene: Scene, sitter: Sitter) -> Plane:
    """Where whiskers reach beyond the matte: near the pet, before a calm background; elsewhere it may be a shelf."""
    if scene.cut_out or not scene.known:
        return np.zeros_like(scene.subject)
    coarse = blur(sitter.lightness, 5 * scene.scale)  # a whisker is too thin to be seen here
    rough = blur(np.abs(coarse - blur(coarse, 12 * scene.scale)) * (1 - scene.subject), 16 * scene.scale)
    near = smoothstep(blur(scene.subject, 45 * scene.scale), 0.05, 0.2)
    return near * smoothstep(0.035 - rough, 0, 0.02)


def _accent(easel: _Easel, accent: _Accent, lines: Plane, flow: Flow) -> None:
    scale = easel.scene.scale
    rng = stream(easel.seed, accent.name)
    seeds = scatter(rng, easel.scene.height, easel.scene.width, max(3.4 * scale, 1.5))
    value = lines.ravel()[seeds.pixel]
    seeds = seeds[(seeds.uniform(rng) < value * accent.share) & (value > 0.35)]
    if not len(seeds):
        return
    back, forward = (seeds.integers(rng, *accent.steps) for _ in range(2))
    radius = scale * seeds.uniform(rng, *accent.radius)
    vectors = flow.vectors()
    paths = trace(seeds, vectors, back, forward, 2.4 * scale, while_above(lines, 0.15), max_turn=1.2)
    strokes = fit_cubics(paths, seeds, vectors, np.maximum(radius, 1.2))
    long_ = strokes["end"] - strokes["start"] > accent.least * scale
    strokes, seeds = strokes[long_], seeds[long_]
    beneath = easel.canvas.reshape(-1, 3)[seeds.pixel].astype(np.float32) / 255
    colours = np.clip(beneath * accent.keep + np.array(accent.add, np.float32), 0, 1)
    outlines = tapered_outlines(strokes, 7)
    _load_brush(strokes, accent.height, 0.06, seeds, rng)
    lay_paint(easel.canvas, easel.labels, outlines, to_bytes(colours), easel.count)
    easel.strokes.append(strokes)
