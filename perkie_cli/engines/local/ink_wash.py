"""Ink wash: sumi-e on fibre paper with layered washes, long calligraphic contours, dry-brush fur and a red paw seal."""

import cv2
import numpy as np

from perkie_cli.engines.local.ink.lines import brush_strokes, draw_lines, read_lines
from perkie_cli.engines.local.ink.paper import press_seal, soak
from perkie_cli.engines.local.ink.study import PALE, Study, study
from perkie_cli.engines.local.looks import InkWash
from perkie_cli.engines.local.noise import stream
from perkie_cli.engines.local.planes import (
    Bytes,
    Plane,
    blur,
    displace,
    guided_filter,
    smoothstep,
    to_bytes,
)
from perkie_cli.engines.local.scene.ground import find_ground
from perkie_cli.engines.local.scene.subject import Scene
from perkie_cli.engines.local.tone import catch_lights

# lightness below which a wash begins, its density and the width of its edge: light to dark
WASHES = ((0.78, 0.10, 0.05), (0.60, 0.16, 0.045), (0.44, 0.26, 0.04), (0.29, 0.42, 0.035), (0.15, 0.85, 0.035))
DROPS = 16


def paint(scene: Scene, look: InkWash, seed: int) -> Bytes:
    """The painting of a scene, (h, w, 3)."""
    view = study(scene, seed)
    lines = read_lines(view)
    ink = draw_lines(look.wash * _washes(view), view, lines, look.brush)
    ink += look.brush * brush_strokes(view, lines, seed) * (1 - 0.45 * np.clip(ink, 0, 1))
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
        layer = t * t * (3 - 2 * t) * view.reach
        layers += density * layer
        rims += density * np.maximum(layer - blur(layer, 4.5 * scale), 0) * layer
    ink = (0.85 + 0.13 * water.broad2) * layers + (1.35 - 1.01 * wet) * rims
    ink *= 1 + 0.16 * tooth * (ink < 0.9)
    dark = smoothstep(0.30 - base, 0, 0.2) * view.reach
    ink += 0.17 * blur(displace(dark, dx * 2.2, dy * 2.2), 13 * scale) * wet * (1 - dark)  # backruns
    return ink + _ground(view)


def _ground(view: Study) -> Plane:
    """Thin ink around the subject; a pale one is drawn by it."""
    subject, scale, water = view.scene.subject, view.scene.scale, view.water
    pool = 0.30 * blur(subject, 60 * scale) * (1 - subject) * smoothstep(water.broad + 0.3 * water.broad2, -0.1, 1.0)
    pale = 0.9 * view.tone.white * blur(subject, 22 * scale) if view.tone.white > 0.2 else np.zeros_like(subject)
    if view.scene.cut_out:
        lights = subject * smoothstep(blur(view.lightness, 4 * scale), *PALE)
        pale = np.maximum(pale, blur(lights, 44 * scale))
    pale = pale * (1 - smoothstep(subject, 0.2, 0.8)) * smoothstep(water.broad + 0.5 * water.small, -1.5, 0.6)
    return (np.maximum(pool, 0.65 * pale) * view.frame + _shadow(view)) * (1 + 0.2 * view.paper.tooth)


def _shadow(view: Study) -> Plane:
    """One wet stroke of the broad brush under the pet's feet, streaked where it ran dry."""
    scene, scale, water = view.scene, view.scene.scale, view.water
    shadow = find_ground(scene).shadow
    if not shadow.any():
        return shadow
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
