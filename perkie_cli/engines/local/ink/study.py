"""What an ink painter looks at before the first stroke: tone, flow, water and paper."""

from dataclasses import dataclass

import numpy as np

from perkie_cli.engines.local.flow import Flow, direction, orientation
from perkie_cli.engines.local.ink.paper import Paper, make_paper
from perkie_cli.engines.local.noise import fractal_noise, stream
from perkie_cli.engines.local.planes import (
    Plane,
    blur,
    columns,
    guided_filter,
    power,
    rows,
    smoothstep,
    solve_gamma,
    weighted,
)
from perkie_cli.engines.local.scene.subject import Scene
from perkie_cli.engines.local.tone import ToneKey, calm_texture, tone_key


@dataclass(frozen=True, slots=True)
class Turbulence:
    """What makes water uneven; unit variance, (h, w)."""

    broad: Plane
    broad2: Plane
    small: Plane


@dataclass(frozen=True, slots=True)
class Study:
    """The scene as the painter sees it."""

    scene: Scene
    lightness: Plane
    tone: ToneKey
    flow: Flow
    coherence: Plane
    structure: Plane  # gradient magnitude
    rough: Plane  # 0 smooth places, which get no small marks .. 1
    paper: Paper
    water: Turbulence
    reach: Plane  # how much of the ink lands: dissolves towards the sheet's edge
    frame: Plane | float  # the same for the ground around


def study(scene: Scene, seed: int) -> Study:
    """Reads the scene; paper and water are the seed's."""
    h, w, scale = scene.height, scene.width, scene.scale
    lightness, tone = _key_lightness(scene)
    own = orientation(lightness, 2 * scale)
    rng = stream(seed, "wash")
    broad, broad2 = (fractal_noise(rng, h, w, 120 * scale, 4) for _ in range(2))
    water = Turbulence(broad, broad2, fractal_noise(rng, h, w, 40 * scale, 3))
    rough = smoothstep(blur(own.magnitude, 8 * scale), 0.012, 0.05)
    reach, frame = _reach(scene, rough, broad)
    paper = make_paper(h, w, scale, seed)
    flow = direction(own.cos2, own.sin2)
    return Study(scene, lightness, tone, flow, own.coherence, own.magnitude, rough, paper, water, reach, frame)


def _key_lightness(scene: Scene) -> tuple[Plane, ToneKey]:
    """Lightness normalised on the subject, with local contrast."""
    scale = scene.scale
    x = weighted(scene.rgb, 0.36, 0.50, 0.14)
    tone = tone_key(x, scene)
    wanted = 0.60 + (0.10 if tone.key > 0 else 0.34) * tone.key
    middle = min(max((tone.mid - tone.low) / (tone.high - tone.low + 1e-3), 0.08), 0.92)
    gamma = min(max(solve_gamma(middle, wanted), 0.5 + 0.4 * tone.black), 1.8 - 0.65 * tone.white)
    x = power(np.clip((x - tone.low) * (1 / (tone.high - tone.low)), 0, 1), gamma)
    x = calm_texture(x, scene)
    form = guided_filter(x, x, 18 * scale, 0.02)
    dark = smoothstep(0.50 - form, 0, 0.38)  # eyes and form of dark fur lie in its shadows
    detail = x - form
    x = np.clip(form * (1 + 0.25 * dark) + 1.35 * detail + 1.6 * dark * detail / (1 + 8 * np.abs(detail)), 0, 1)
    if scene.cut_out:
        ground = 0.97 if tone.key < 0.35 else 0.97 - 0.22 * tone.key
        x = x * scene.subject + (1 - scene.subject) * np.maximum(x, ground)
    return x, tone


def _reach(scene: Scene, rough: Plane, broad: Plane) -> tuple[Plane, Plane | float]:
    """Where ink lands on the subject and around it: a cropped body dissolves, its features do not."""
    h, w = scene.height, scene.width
    x, y = columns(w), rows(h)
    if scene.cut_out:
        edge = np.minimum(np.minimum(x, w - 1 - x), h - 1 - y) * (1 / (0.16 * min(h, w))) + 0.30 * broad
        return scene.subject * smoothstep(edge + 0.45 * rough, 0, 0.9), smoothstep(edge, 0, 0.7)
    dx, dy = (x - w / 2) * (1 / (0.54 * w)), (y - h * 0.5) * (1 / (0.56 * h))
    radius = np.sqrt(dx * dx + dy * dy)
    reach = np.clip(scene.subject * 1.1, 0, 1) * (0.4 + 0.6 * smoothstep(scene.subject, 0.2, 0.65))
    return reach * smoothstep(1.22 - radius + 0.13 * broad, 0, 0.45), 1.0
