"""What an ink painter looks at before the first stroke: tone, flow, water and paper."""

from typing import cast

import cv2
import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.flow import Flow, direction, orientation
from perkie_cli.engines.local.ink.paper import Paper, make_paper
from perkie_cli.engines.local.noise import fractal_noise, stream
from perkie_cli.engines.local.planes import (
    AREA,
    EDGE,
    Picture,
    Plane,
    blur,
    columns,
    guided_filter,
    power,
    resize,
    rows,
    smoothstep,
    solve_gamma,
    weighted,
)
from perkie_cli.engines.local.scene.ground import Ground, find_ground
from perkie_cli.engines.local.scene.subject import Scene
from perkie_cli.engines.local.tone import ToneKey, calm_texture, tone_key

PALE = (0.55, 0.85)  # lightness of an edge that needs no line, and of one that needs a full one
SEEN = (0.004, 0.014)  # change a pixel of the photo's lightness across an edge that is doubtful, and of a clear one
AROUND, FAINTER = 0.80, 0.55  # weight of the surroundings that are kept, close to the subject; lines have less
REPEATED = 1e-3  # mean change of lightness between equal lines
HINT = 0.70  # of what the subject stands on, where the surroundings are not kept
OUTLINE = 0.75  # how much darker that line is


@frozen
class Turbulence:
    """What makes water uneven; unit variance, (h, w)."""

    broad: Plane
    broad2: Plane
    small: Plane


@frozen
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
    reach: Plane  # how much of the lines lands: dissolves towards the sheet's edge
    wash: Plane  # the same for washes
    frame: Plane | float  # the same for the ground around
    ground: Ground | None  # of a subject whose surroundings go


def study(scene: Scene, seed: int) -> Study:
    """Reads the scene; paper and water are the seed's."""
    h, w, scale = scene.height, scene.width, scene.scale
    ground = find_ground(scene) if scene.cut_out else None  # kept surroundings have their own
    footing = None if ground is None else _footing(scene, ground)
    rng = stream(seed, "wash")
    broad, broad2 = (fractal_noise(rng, h, w, 120 * scale, 4) for _ in range(2))
    water = Turbulence(broad, broad2, fractal_noise(rng, h, w, 40 * scale, 3))
    pressure = smoothstep(broad2 + 0.6 * water.small, -1.1, 0.7)  # outlines are lost and found
    lightness, tone = _key_lightness(scene, footing, pressure)
    own = orientation(lightness, 2 * scale)
    rough = smoothstep(blur(own.magnitude, 8 * scale), 0.012, 0.05)
    reach, wash, frame = _reach(scene, footing, rough, water)
    paper = make_paper(h, w, scale, seed)
    flow = direction(own.cos2, own.sin2)
    texture = own.coherence, own.magnitude, rough
    return Study(scene, lightness, tone, flow, *texture, paper, water, reach, wash, frame, ground)


def _footing(scene: Scene, ground: Ground) -> Plane | None:
    """Where what the pet stands on is taken from the photo, 0..1; None where nothing is."""
    if scene.photo is None or not ground.patch.any():
        return None
    return ground.patch * (1 - scene.subject) * _shown(scene.photo, 0) * _shown(scene.photo, 1).T


def _shown(photo: Picture, axis: int) -> Plane:
    """0..1, (n, 1): which rows (axis 0) or columns (axis 1) the photo has; a frame beyond it repeats its last ones."""
    lines = photo[:, ::8, 1] if axis == 0 else photo[::8, :, 1].T
    changes = np.flatnonzero(np.abs(np.diff(lines, axis=0)).mean(1) > REPEATED)
    shown = np.zeros((len(lines), 1), np.float32)
    if len(changes):
        shown[changes[0] : changes[-1] + 2] = 1
    return smoothstep(cast(Plane, cv2.blur(shown, (1, len(lines) // 12 | 1), borderType=EDGE)), 0.5, 1)


def _key_lightness(scene: Scene, footing: Plane | None, pressure: Plane) -> tuple[Plane, ToneKey]:
    """Lightness normalised on the subject, with local contrast."""
    scale = scene.scale
    x = weighted(scene.rgb, 0.36, 0.50, 0.14)
    tone = tone_key(x, scene)
    if footing is not None and scene.photo is not None:
        x += (weighted(scene.photo, 0.36, 0.50, 0.14) - x) * np.minimum(3 * footing, 1)
    wanted = 0.67 + (0.13 if tone.key > 0 else 0.33) * tone.key
    middle = min(max((tone.mid - tone.low) / (tone.high - tone.low + 1e-3), 0.08), 0.92)
    gamma = min(max(solve_gamma(middle, wanted), 0.5 + 0.15 * tone.black), 1.8 - 0.65 * tone.white)
    x = power(np.clip((x - tone.low) * (1 / (tone.high - tone.low)), 0, 1), gamma)
    x = calm_texture(x, scene)
    form = guided_filter(x, x, 18 * scale, 0.02)
    dark = smoothstep(0.50 - form, 0, 0.38)  # eyes and form of dark fur lie in its shadows
    detail = x - form
    pale = smoothstep(form, 0.70, 0.95)  # white fur has little contrast
    x = form * (1 + 0.25 * dark) + (1.35 + 0.9 * pale) * detail + 1.6 * dark * detail / (1 + 8 * np.abs(detail))
    x = np.clip(x, 0, 1)
    if scene.cut_out:
        ground = 0.97 if tone.key < 0.35 else 0.97 - 0.22 * tone.key
        drawn = scene.subject if footing is None else np.maximum(scene.subject, np.minimum(2 * footing, 1))
        x = x * drawn + (1 - drawn) * np.maximum(x, ground)
        x = x * (1 - OUTLINE * _pale_edge(x, scene) * pressure)
    return x, tone


def _pale_edge(lightness: Plane, scene: Scene) -> Plane:
    """0..1, a line on the subject's edge where it is too light to stand off the paper by itself."""
    scale = scene.scale
    soft = blur(scene.subject, 2 * scale)
    steep = cv2.magnitude(*_slopes(soft)) + 1e-3
    line = smoothstep(2.6 * scale - np.abs(soft - 0.5) / steep, 0, 1.6 * scale)
    return line * resize(_paleness(lightness, soft, scene), scene.width, scene.height)


def _paleness(lightness: Plane, soft: Plane, scene: Scene) -> Plane:
    """How much of a line the subject's edge needs, at half size; none where the photo has none: the matte guesses."""
    size = -(-scene.width // 2), -(-scene.height // 2)
    scale = scene.scale / 2
    subject, light = (resize(x, *size, AREA) for x in (scene.subject, lightness))
    pale = smoothstep(blur(light * subject, 7 * scale) / (blur(subject, 7 * scale) + 1e-3), *PALE)
    if scene.photo is None:
        return pale
    gx, gy = _slopes(resize(soft, *size, AREA))
    px, py = _slopes(blur(weighted(resize(scene.photo, *size, AREA), 0.3, 0.59, 0.11), 2 * scale))
    across = np.abs(px * gx + py * gy) / (cv2.magnitude(gx, gy) + 1e-3)
    return pale * smoothstep(blur(across, 3 * scale) * scale, *SEEN)


def _slopes(x: Plane) -> tuple[Plane, Plane]:
    """Change to the right and downwards, a pixel."""
    return cast(Plane, cv2.Sobel(x, -1, 1, 0, scale=0.125)), cast(Plane, cv2.Sobel(x, -1, 0, 1, scale=0.125))


def _reach(scene: Scene, footing: Plane | None, rough: Plane, water: Turbulence) -> tuple[Plane, Plane, Plane | float]:
    """Where lines and washes land on the subject and around it: a cropped body dissolves, its features do not."""
    h, w = scene.height, scene.width
    x, y = columns(w), rows(h)
    if scene.cut_out:
        edge = np.minimum(np.minimum(x, w - 1 - x), h - 1 - y) * (1 / (0.16 * min(h, w))) + 0.30 * water.broad
        reach = scene.subject * smoothstep(edge + 0.45 * rough, 0, 0.9)
        frame = smoothstep(edge, 0, 0.7)
        if footing is not None:
            hint = smoothstep(footing + 0.16 * water.small + 0.08 * water.broad, 0.16, 0.85)
            reach = np.maximum(reach, HINT * hint * frame)
        return reach, reach, frame
    dx, dy = (x - w / 2) * (1 / (0.54 * w)), (y - h * 0.5) * (1 / (0.56 * h))
    radius = np.sqrt(dx * dx + dy * dy)
    fade = smoothstep(1.22 - radius + 0.13 * water.broad, 0, 0.45)
    if not scene.known:  # a soft guess already spreads over what is around
        reach = _landing(scene.subject) * fade
        return reach, reach, 1.0
    near = blur(scene.subject, 160 * scene.scale)
    near = smoothstep(near, 0, 0.6 * float(near.max()) + 1e-3)
    wash = _landing(np.maximum(scene.subject, AROUND * near)) * fade
    return wash * (1 - FAINTER + FAINTER * scene.subject), wash, 1.0


def _landing(weight: Plane) -> Plane:
    return cast(Plane, np.clip(weight * 1.1, 0, 1) * (0.4 + 0.6 * smoothstep(weight, 0.2, 0.65)))
