"""Black-and-white fine art: a darkroom print exposed for the pet, with subdued surroundings, on warm paper."""

from typing import cast

import cv2
import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.looks import BlackAndWhite
from perkie_cli.engines.local.noise import fractal_noise, stream, unit, white_noise
from perkie_cli.engines.local.planes import (
    CUBIC,
    Bytes,
    Plane,
    blur,
    columns,
    guided_filter,
    power,
    resize,
    rows,
    smoothstep,
    solve_gamma,
    to_bytes,
    weighted,
)
from perkie_cli.engines.local.scene.subject import Scene
from perkie_cli.engines.local.tone import ToneKey, catch_lights, tone_key

SMOOTH = 4  # light and vignette are smooth: computed for every fourth pixel
NO_GLASS, YELLOW, ORANGE, GREEN = (0.30, 0.59, 0.11), (0.42, 0.50, 0.08), (0.58, 0.38, 0.04), (0.20, 0.68, 0.12)
SHOULDER = (0.66, 0.40)  # the tone from which lights are held back, and how far
FALL_OFF = 0.45  # stops: how much darker the surroundings become away from the pet, whatever their tone
BARE, BUSY = 0.015, 0.050  # mean texture of a wall, and of a cluttered room


def paint(scene: Scene, look: BlackAndWhite, seed: int) -> Bytes:
    """The print of a scene, (h, w, 3)."""
    grey = _through_filter(scene)
    tone = tone_key(grey, scene)
    x = _expose(grey, tone)
    x = _model(x, scene, tone, look.contrast)
    around = _look_around(x, scene)
    x = _before_backdrop(x, scene, look, seed) if scene.cut_out else _hold_back(x, around, scene, tone, look)
    x = _film_curve(x)
    x = _glow(x, scene, look.glow)
    x *= _vignette(scene, look.vignette * (1 - 0.6 * around.airy))
    x += _grain(x, look.grain, scene.scale, seed)
    return _print(x, look.warmth)


def _through_filter(scene: Scene) -> Plane:
    """Grey through the coloured glass that parts the pet from its surroundings most and keeps its markings."""
    small = scene.rgb[::8, ::8]
    pet = scene.subject[::8, ::8] > 0.6
    if not scene.known or pet.all() or not pet.any():
        return weighted(scene.rgb, *YELLOW)

    def parted(glass: tuple[float, float, float]) -> float:
        grey = small @ np.array(glass, np.float32)
        return float(abs(grey[pet].mean() - grey[~pet].mean()) + 1.2 * grey[pet].std())

    return weighted(scene.rgb, *max((NO_GLASS, YELLOW, ORANGE, GREEN), key=parted))


def _expose(grey: Plane, tone: ToneKey) -> Plane:
    """Levels on the pet; a white animal stays high-key, a black one low-key."""
    span = tone.high - tone.low + 1e-3
    middle = min(max((tone.mid - tone.low) / span, 0.10), 0.88)
    wanted = 0.48 + 0.17 * tone.white - 0.31 * tone.black
    gamma = min(max(solve_gamma(middle, wanted), 0.62 + 0.25 * tone.black), 1.1 + 0.5 * tone.black)
    return power(np.clip((grey - tone.low) * (1 / span), 0, 1.1), gamma)


def _model(grey: Plane, scene: Scene, tone: ToneKey, contrast: float) -> Plane:
    """Three layers of detail about an edge-preserving base, each with a gain and a soft limit: no halo."""
    scale = scene.scale
    fine = guided_filter(grey, grey, 3 * scale, 0.0012)
    form = guided_filter(fine, fine, 16 * scale, 0.010)
    base = guided_filter(form, form, 60 * scale, 0.045)
    more = 0.35 * (form - base) + 0.42 * _soft_limit(fine - form, 0.30) + 0.55 * _soft_limit(grey - fine, 0.16)
    shade, shine = smoothstep(0.42 - form, 0, 0.36), smoothstep(form, 0.65, 0.95)
    open_ = 1 + 1.1 * tone.black * shade + 1.2 * shine  # form lies in the shadows of black fur, in the lights of white
    lift = 0.40 * (1 - 0.75 * tone.black) * scene.subject * shade * form  # and the eyes of most in shade
    sparks = 0.35 * catch_lights(grey, scale) * np.clip(1 - grey, 0, 1)
    held = SHOULDER[1] * np.maximum(form - SHOULDER[0], 0)  # the lightest fur keeps its texture
    return cast(Plane, grey - held + contrast * open_ * more + lift + sparks)


def _soft_limit(x: Plane, limit: float) -> Plane:
    return cast(Plane, x / (1 + np.abs(x) * (1 / limit)))


@frozen
class _Surroundings:
    """What is around the pet: its mean tone, and how busy it is, 0 a bare wall .. 1 a cluttered room."""

    tone: float
    busy: float

    @property
    def airy(self) -> float:
        """0..1: snow, sky and white walls, which are left light, or they would be mud."""
        return min(max((self.tone - 0.55) / 0.15, 0.0), 1.0) * (1 - self.busy)


def _look_around(x: Plane, scene: Scene) -> _Surroundings:
    small = x[::4, ::4]
    around = scene.subject[::4, ::4] < 0.15
    if around.sum() < 100:
        return _Surroundings(0.0, 0.0)
    texture = float(np.abs(small - blur(small, 3 * scene.scale))[around].mean())
    return _Surroundings(float(small[around].mean()), min(max((texture - BARE) / (BUSY - BARE), 0.0), 1.0))


def _hold_back(x: Plane, around: _Surroundings, scene: Scene, tone: ToneKey, look: BlackAndWhite) -> Plane:
    """Burn in the surroundings, more with the distance, so that the pet is the lightest and sharpest thing."""
    scale = scene.scale
    pet = smoothstep(blur(scene.subject, 1.2 * scale), 0.45, 0.98)  # choked: no bright rim
    own = float(np.mean(scene.samples(x)))
    dark = max(tone.black, min(max((0.36 - own) / 0.12, 0.0), 1.0))  # such a pet stands off light surroundings
    wanted = (0.50 * own * (1 - dark) + 0.55 * dark) * look.backdrop
    need = min(max((around.tone - wanted) / 0.25, 0.4), 1.0) * (1 - 0.7 * around.airy) * (1 - 0.8 * dark)
    far = 1 - blur(scene.subject, 140 * scale) / 0.5
    far = np.clip(far, 0, 1)
    stops = need * (0.7 + 0.4 * far) + FALL_OFF * (1 - around.airy) * far
    stops *= 1.0 if scene.known else 0.3
    behind = (x + (blur(x, 4 * scale) - x) * (0.5 * around.busy)) * np.exp2(-stops)
    return cast(Plane, behind + (x - behind) * pet)


def _before_backdrop(x: Plane, scene: Scene, look: BlackAndWhite, seed: int) -> Plane:
    """A studio backdrop; the matte is choked inside its soft edge and the form turned from the light: no bright rim."""
    h, w = scene.height, scene.width
    cx, cy = scene.centre()
    gx, gy = (columns(w)[:, ::SMOOTH] - cx - 0.1 * w) / (0.62 * w), (rows(h)[::SMOOTH] - cy + 0.10 * h) / (0.62 * h)
    light = resize(0.05 + 0.19 * np.exp(-1.9 * (gx * gx + gy * gy)), w, h)
    light += 0.012 * fractal_noise(stream(seed, "backdrop"), h, w, 170 * scene.scale, 3)
    core = smoothstep(scene.subject, 0.45, 0.985)
    turn = smoothstep(blur(scene.subject, 5 * scene.scale), 0.40, 0.97)
    return look.backdrop * light * (1 - core) + x * (0.5 + 0.5 * turn) * core


def _film_curve(x: Plane) -> Plane:
    """A gentle toe and shoulder."""
    x = np.clip(x, 0, 1.25)
    x = np.where(x > 0.75, 0.75 + 0.25 * np.tanh((x - 0.75) / 0.25 * 0.9), x)
    return cast(Plane, x + 0.28 * (x * x * (3 - 2 * x) - x))


def _glow(x: Plane, scene: Scene, strength: float) -> Plane:
    """Bloom of the highlights, on the pet alone."""
    lights = smoothstep(x, 0.55, 0.98) * x
    bloom = blur(lights, 14 * scene.scale) * smoothstep(scene.subject, 0.4, 1.0)
    return 1 - (1 - x) * (1 - 0.10 * strength * bloom)


def _vignette(scene: Scene, strength: float) -> Plane:
    """Darkens the corners, but not the pet."""
    h, w = scene.height, scene.width
    x, y = columns(w)[:, ::SMOOTH] / (w / 2) - 1, rows(h)[::SMOOTH] / (h / 2) - 1
    radius = np.sqrt(x * x + y * y) / 1.4142
    spared = 1 - 0.85 * blur(scene.subject, 12 * scene.scale)[::SMOOTH, ::SMOOTH]
    return resize(1 - 0.55 * strength * smoothstep(radius, 0.45, 1.08) * spared, w, h)


def _grain(x: Plane, strength: float, scale: float, seed: int) -> Plane:
    """Two sizes of fine grain, strongest in the middle tones."""
    h, w = x.shape
    rng = stream(seed, "grain")
    fine = blur(white_noise(rng, h, w), 0.55 * scale)
    coarse = resize(blur(white_noise(rng, -(-h // 2), -(-w // 2)), 0.8 * scale), w, h, CUBIC)
    grain = 0.85 * unit(fine) + 0.3 * unit(coarse)
    grain *= 0.003 + 0.022 * np.sqrt(np.clip(x, 0, 1)) * (1 - 0.8 * x)
    return strength * grain


def _print(x: Plane, warmth: float) -> Bytes:
    """Paper white and black, toned: warm lights and slightly cold shadows."""
    t = np.linspace(0, 1, 256, dtype=np.float32)
    tones = ((0.012, -0.004), (0.0, 0.0), (-0.024, 0.008))  # gain of the lights and offset of the shadows, R G B
    curves = [np.clip(t * (1 + warmth * gain) + warmth * offset * (1 - t), 0, 1) for gain, offset in tones]
    grey = to_bytes(0.008 + 0.985 * np.clip(x, 0, 1))  # already dithered by the grain
    return cast(Bytes, cv2.LUT(cv2.merge([grey] * 3), to_bytes(np.stack(curves, 1))[None]))
