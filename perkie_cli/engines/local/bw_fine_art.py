"""Black-and-white fine art: a darkroom print with dodge and burn, studio backdrop, glow, grain and warm paper."""

import math
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

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
from perkie_cli.engines.local.subject import Scene
from perkie_cli.engines.local.tone import ToneKey, tone_key

SMOOTH = 4  # light and vignette are smooth: computed for every fourth pixel
CURVE_STEPS = 4096
CURVE_TOP = 1.6


@dataclass(frozen=True, slots=True)
class _Light:
    """The studio's light around the subject, each (h, w)."""

    pool: Plane  # of light on the subject
    exposure: Plane  # factor: pool and key light from the upper left
    backdrop: Plane


def paint(scene: Scene, look: BlackAndWhite, seed: int) -> Bytes:
    """The print of a scene, (h, w, 3)."""
    grey = weighted(scene.rgb, 0.46, 0.42, 0.12)
    tone = tone_key(grey, scene)
    grey = _level(grey, tone)
    light = _light(scene, tone, look, seed)
    x = _dodge(_modelling(grey, scene.scale, look.contrast), light, scene)
    x = _put_before_backdrop(x, grey, light, scene)
    x = _film_curve(x)
    x = _glow(x, scene, look.glow)
    x *= _vignette(scene, look.vignette)
    x += _grain(x, look.grain, scene.scale, seed)
    return _print(x, look.warmth)


def _level(grey: Plane, tone: ToneKey) -> Plane:
    """Levels on the subject; a white animal stays high-key, a black one low-key."""
    span = tone.high - tone.low + 1e-3
    middle = min(max((tone.mid - tone.low) / span, 0.10), 0.85)
    wanted = 0.385 + (0.22 if tone.key > 0 else 0.255) * tone.key
    gamma = min(max(solve_gamma(middle, wanted), 0.55), 1.8 + 0.4 * tone.black - 0.4 * tone.white)
    return power(np.clip((grey - tone.low) * (1 / span), 0, 1.15), gamma)


def _modelling(grey: Plane, scale: float, contrast: float) -> Plane:
    """Three layers of detail around a base, each with a gain and a soft limit."""
    fine = guided_filter(grey, grey, 3, 0.0016)
    form = guided_filter(fine, fine, 14 * scale, 0.008)
    base = blur(form, 36 * scale)
    detail = 1.08 * (form - base) + 1.28 * _soft_limit(fine - form, 0.55) + 1.30 * _soft_limit(grey - fine, 0.30)
    return cast(Plane, base * 0.86 + 0.055 + contrast * detail)


def _soft_limit(x: Plane, limit: float) -> Plane:
    return cast(Plane, x / (1 + np.abs(x) * (1 / limit)))


def _light(scene: Scene, tone: ToneKey, look: BlackAndWhite, seed: int) -> _Light:
    h, w = scene.height, scene.width
    x, y = columns(w)[:, ::SMOOTH], rows(h)[::SMOOTH]
    cx, cy = scene.centre()
    reach = 0.625 * math.sqrt(max(0.08, scene.coverage()) * h * w)
    rx, ry = (x - cx) / reach, (y - cy + 0.05 * h) / reach
    pool = np.exp(-0.55 * (rx * rx + ry * ry))
    stops = 0.85 * (0.75 * (pool - 0.62) - 0.144 * np.tanh(0.75 * rx + 0.45 * ry))
    if tone.key > 0.2:
        stops *= 1 - 0.35 * tone.key  # white fur must not be burnt to grey
    gx, gy = (x - cx - 0.12 * w) / (0.62 * w), (y - cy + 0.10 * h) / (0.62 * h)
    lift = 0.12 * tone.black  # separates a black animal from the dark
    backdrop = 0.045 + (0.16 + lift) * np.exp(-1.9 * (gx * gx + gy * gy))
    mottle = 0.012 * fractal_noise(stream(seed, "backdrop"), h, w, 170 * scene.scale, 3)
    return _Light(resize(pool, w, h), resize(np.exp2(stops), w, h), look.backdrop * (resize(backdrop, w, h) + mottle))


def _dodge(x: Plane, light: _Light, scene: Scene) -> Plane:
    """Expose by the light, then open the highlights and deepen the shadows of the subject."""
    x = np.maximum(x, 0) * light.exposure
    local = blur(x, 9 * scene.scale)
    bright = smoothstep(local, 0.5, 0.95)
    x += 0.45 * bright * (x - local) + 0.05 * bright * scene.subject - 0.05 * smoothstep(0.45 - local, 0, 0.35)
    return x


def _put_before_backdrop(x: Plane, grey: Plane, light: _Light, scene: Scene) -> Plane:
    if scene.cut_out:  # choke the matte inside its soft edge and turn the form away from the light there: no bright rim
        core = smoothstep(scene.subject, 0.45, 0.985)
        turn = smoothstep(blur(scene.subject, 5 * scene.scale), 0.40, 0.97)
        return light.backdrop * (1 - core) + x * (0.5 + 0.5 * turn) * core
    behind = np.clip(0.55 * blur(grey, 18 * scene.scale) + 0.45 * x, 0, 1)
    behind = behind * np.sqrt(np.sqrt(behind)) * (0.52 * (0.45 + 0.55 * light.pool))
    behind = 0.45 * light.backdrop + behind / (1 + 1.8 * behind)  # a white wall becomes a dark one
    x /= 1 + 3 * (1 - scene.subject) * x  # and leaves no halo where the map fades
    return cast(Plane, behind + (x - behind) * smoothstep(scene.subject, -0.1, 0.75))


def _film_curve(x: Plane) -> Plane:
    """Toe, shoulder and mid contrast, as a look-up."""
    t = np.linspace(0, CURVE_TOP, CURVE_STEPS, dtype=np.float32)
    curve = np.clip(t * (1 + t / 4.84) / (1 + t) * 1.56, 0, 1)
    curve = np.clip(curve + 0.22 * (curve * curve * (3 - 2 * curve) - curve), 0, 1)
    top = CURVE_STEPS - 1
    return cast(Plane, curve[np.clip(x * (top / CURVE_TOP), 0, top).astype(np.uint16)])


def _glow(x: Plane, scene: Scene, strength: float) -> Plane:
    """Bloom of the highlights, kept off the backdrop behind a cut-out."""
    lights = smoothstep(x, 0.45, 0.95) * x
    bloom = 0.62 * blur(lights, 10 * scene.scale) + 0.5 * blur(lights, 34 * scene.scale)
    bloom *= 0.35 + 0.65 * smoothstep(scene.subject, 0.3, 1.0)
    return 1 - (1 - x) * (1 - 0.30 * strength * bloom)


def _vignette(scene: Scene, strength: float) -> Plane:
    h, w = scene.height, scene.width
    x, y = columns(w)[:, ::SMOOTH] / (w / 2) - 1, rows(h)[::SMOOTH] / (h / 2) - 1
    radius = np.sqrt(x * x + y * y) / 1.4142
    return resize(1 - 0.62 * strength * smoothstep(radius, 0.45, 1.08), w, h)


def _grain(x: Plane, strength: float, scale: float, seed: int) -> Plane:
    """Two sizes of grain, strongest in the middle tones."""
    h, w = x.shape
    rng = stream(seed, "grain")
    fine = blur(white_noise(rng, h, w), 0.62 * scale)
    coarse = resize(blur(white_noise(rng, -(-h // 2), -(-w // 2)), 0.9 * scale), w, h, CUBIC)
    grain = 0.75 * unit(fine) + 0.5 * unit(coarse)
    grain *= 0.006 + 0.030 * np.sqrt(np.clip(x, 0, 1)) * (1 - 0.78 * x)
    return strength * grain


def _print(x: Plane, warmth: float) -> Bytes:
    """Paper white and black, toned: warm lights and slightly cold shadows."""
    t = np.linspace(0, 1, 256, dtype=np.float32)
    tones = ((0.018, -0.004), (0.0, 0.0), (-0.032, 0.008))  # gain of the lights and offset of the shadows, R G B
    curves = [np.clip(t * (1 + warmth * gain) + warmth * offset * (1 - t), 0, 1) for gain, offset in tones]
    grey = to_bytes(0.016 + 0.972 * np.clip(x, 0, 1))  # already dithered by the grain
    return cast(Bytes, cv2.LUT(cv2.merge([grey] * 3), to_bytes(np.stack(curves, 1))[None]))
