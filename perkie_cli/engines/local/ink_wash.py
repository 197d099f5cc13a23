"""Ink wash: sumi-e on fibre paper with layered washes, long calligraphic contours, dry-brush fur and a red paw seal."""

import cv2
import numpy as np

from perkie_cli.engines.local.ink.lines import brush_strokes, draw_lines, read_lines
from perkie_cli.engines.local.ink.paper import press_seal, soak
from perkie_cli.engines.local.ink.study import PALE, Study, study
from perkie_cli.engines.local.looks import InkWash
from perkie_cli.engines.local.noise import stream
from perkie_cli.engines.local.planes import (
    AREA,
    Bytes,
    Plane,
    blur,
    displace,
    guided_filter,
    resize,
    smoothstep,
    to_bytes,
    weighted,
)
from perkie_cli.engines.local.scene.subject import Scene
from perkie_cli.engines.local.tone import catch_lights, dark_spots

# lightness below which a wash begins, its density and the width of its edge: light to dark
WASHES = ((0.78, 0.10, 0.05), (0.60, 0.16, 0.045), (0.44, 0.26, 0.04), (0.29, 0.42, 0.035), (0.15, 0.85, 0.035))
PUPIL = 3.0  # density of a black one
DROPS = 16
COARSE = 4  # washes around the subject are smooth: found on every fourth pixel


def paint(scene: Scene, look: InkWash, seed: int) -> Bytes:
    """The painting of a scene, (h, w, 3)."""
    view = study(scene, seed)
    lines = read_lines(view)
    ink = draw_lines(look.wash * _washes(view), view, lines, look.brush)
    ink += look.brush * brush_strokes(view, lines, seed) * (1 - 0.45 * np.clip(ink, 0, 1))
    spots = dark_spots(view.lightness, scene.scale) * view.reach
    ink = np.maximum(ink, spots * np.clip(PUPIL * (0.75 - view.lightness), 0, 1.7))
    ink *= 1 - 0.92 * np.clip(catch_lights(view.lightness, scene.scale), 0, 1)
    ink = 0.80 * ink + 0.20 * blur(ink, 1.6 * scene.scale) * (1 + 0.25 * view.paper.tooth)
    ink += _splatter(view, look.splatter, seed)
    ink = np.clip(look.ink * ink, 0, 2.6)
    picture = soak(ink, view.paper, look.paper)
    if look.seal:
        press_seal(picture, ink + 1.5 * scene.subject, scene.subject, view.paper, look.seal_colour)
    return to_bytes(picture)


def _washes(view: Study) -> Plane:
    """Density of five washes with noise-warped edges, dark rims, wet areas, granulation, backruns and a ground."""
    scene, scale, water, tooth = view.scene, view.scene.scale, view.water, view.paper.tooth
    base = blur(view.lightness, 1.5 * scale)
    base = guided_filter(base, base, 6 * scale, 0.0025)
    calm = 1 - 0.8 * smoothstep(blur(view.structure, 6 * scale), 0.03, 0.10) * smoothstep(scene.subject, 0.3, 0.8)
    dx = (water.broad2 * (5.5 * scale) + water.small * (2.5 * scale)) * calm
    dy = (water.broad2[::-1, ::-1] * (5.5 * scale) + water.small[::-1, ::-1] * (2.5 * scale)) * calm
    wet = smoothstep(water.broad, -0.2, 1.1) * calm
    form = displace(base, dx, dy)
    form += (0.35 * form + 0.65 * blur(base, 9 * scale) - form) * wet
    layers, rims = np.zeros_like(form), np.zeros_like(form)
    softness = 1 / (1 + 2.5 * wet)
    shifted = 0.035 * water.small + 0.012 * tooth - form
    for threshold, density, edge in WASHES:
        t = np.clip((threshold + shifted) * softness * (0.5 / edge) + 0.5, 0, 1)
        layer = t * t * (3 - 2 * t) * view.wash
        layers += density * layer
        rims += density * np.maximum(layer - blur(layer, 4.5 * scale), 0) * layer
    ink = (0.85 + 0.13 * water.broad2) * layers + (1.35 - 1.01 * wet) * rims
    ink *= 1 + 0.16 * tooth * (ink < 0.9)
    dark = smoothstep(0.30 - base, 0, 0.2) * view.wash
    ink += 0.17 * blur(displace(dark, dx * 2.2, dy * 2.2), 13 * scale) * wet * (1 - dark)  # backruns
    return ink + _ground(view)


def _ground(view: Study) -> Plane:
    """Thin ink around the subject; a pale one is drawn by it."""
    subject, scale, water = view.scene.subject, view.scene.scale, view.water
    ink = 0.30 * blur(subject, 60 * scale) * (1 - subject) * smoothstep(water.broad + 0.3 * water.broad2, -0.1, 1.0)
    pale, dark = _set_off(view)
    if pale is not None:
        flooded = smoothstep(water.broad + 0.4 * water.broad2, -1.4, 1.4)
        ink = np.maximum(ink, pale * (0.35 + 0.65 * flooded))
    if dark is not None:
        flooded = smoothstep(water.broad + 0.5 * water.broad2 + 1.6 * dark, -1.0, 1.8)
        ink = np.maximum(ink, dark * (0.30 + 0.70 * flooded))
    return (ink * view.frame + _shadow(view)) * (1 + 0.2 * view.paper.tooth)


def _set_off(view: Study) -> tuple[Plane | None, Plane | None]:
    """Washes that a light subject stands off from: close to its pale parts, and where the photo is dark behind it.

    Only where its background goes; a white one always has the first.
    """
    scene, white = view.scene, view.tone.white
    size = -(-scene.width // COARSE), -(-scene.height // COARSE)
    scale = scene.scale / COARSE
    subject, light = (resize(x, *size, AREA) for x in (scene.subject, view.lightness))
    beside = 1 - smoothstep(subject, 0.2, 0.8)
    pale = blur(subject, 22 * scale) * (0.9 * white if white > 0.2 else 0)
    if scene.cut_out:
        pale = np.maximum(pale, blur(subject * smoothstep(light, *PALE), 44 * scale))
    dark = None if scene.photo is None or not scene.cut_out else _dark_behind(scene, subject, light)

    def enlarged(wash: Plane) -> Plane:
        return resize(wash * beside, scene.width, scene.height)

    return enlarged(0.65 * pale) if pale.any() else None, None if dark is None else enlarged(0.80 * dark)


def _dark_behind(scene: Scene, subject: Plane, light: Plane) -> Plane:
    """0..1 at coarse size: where the photo was dark close to a light part of the subject."""
    assert scene.photo is not None
    scale, outside = scene.scale / COARSE, 1 - subject
    photo = weighted(resize(scene.photo, subject.shape[1], subject.shape[0], AREA), 0.3, 0.59, 0.11)
    behind = blur(photo * outside, 30 * scale) / (blur(outside, 30 * scale) + 1e-2)
    edge = blur(light * subject, 60 * scale) / (blur(subject, 60 * scale) + 1e-2)
    near = smoothstep(blur(subject, 130 * scale), 0, 0.42)
    return near * smoothstep(0.60 - behind, 0, 0.40) * smoothstep(edge, 0.40, 0.75)


def _shadow(view: Study) -> Plane:
    """One wet stroke of the broad brush under the pet's feet, streaked where it ran dry."""
    scene, scale, water = view.scene, view.scene.scale, view.water
    if view.ground is None or not view.ground.shadow.any():
        return np.zeros_like(view.lightness)
    shadow = view.ground.shadow
    shadow = displace(shadow, 14 * scale * water.broad2, 5 * scale * water.small)
    streaks = cv2.blur(view.paper.tooth, (max(1, round(100 * scale)), max(1, round(3 * scale))))
    wet = smoothstep(shadow + 0.16 * water.small + 1.1 * streaks, 0.12, 0.75) * smoothstep(shadow, 0.02, 0.3)
    return 0.62 * wet * shadow * (1 - 0.85 * scene.subject)


def _splatter(view: Study, amount: float, seed: int) -> Plane:
    """Drops that fell beside the painting."""
    h, w = view.lightness.shape
    scale, water = view.scene.scale, view.water
    rng = stream(seed, "splatter")
    drops = np.zeros((h, w), np.uint8)
    for _ in range(round(DROPS * amount)):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.36, 0.62)
        centre = (int(w * (0.5 + reach * np.cos(angle)) * 8), int(h * (0.5 + reach * np.sin(angle)) * 8))
        radius = int(max(0.5, rng.exponential(1.9 * scale)) * 8)
        cv2.circle(drops, centre, radius, int(rng.uniform(60, 190)), -1, cv2.LINE_AA, 3)
    soft = blur(drops.astype(np.float32) * (1 / 255), 0.7 * scale)
    return 0.7 * displace(soft, water.small * 1.5, water.broad2 * 1.5)
