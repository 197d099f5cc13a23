"""Tone of the subject, whatever its exposure: dark, washed-out and normal shots of one pet come out nearly alike."""

from typing import cast

import cv2
import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.planes import AREA, Plane, blur, disc, guided_filter, resize, smoothstep, weighted
from perkie_cli.engines.local.scene.subject import Scene

NEIGHBOURS, CROWD, COVERED = 22, 6.0, 0.35  # px of 1024 around a spot; how many, or what share, make a crowd
LEAST_SPAN = 0.55  # of the range that a pet of even tone fills
ANCHOR_LOW, ANCHOR_HIGH = 0.8, 0.7  # how far the pet's own range is opened towards the photo's


@frozen
class ToneKey:
    """The subject's lightness range, and how black (-1) or white (+1) the animal itself is."""

    low: float
    mid: float
    high: float
    key: float

    @property
    def black(self) -> float:
        """How black the animal is, 0..1."""
        return max(0.0, -self.key)

    @property
    def white(self) -> float:
        """How white the animal is, 0..1."""
        return max(0.0, self.key)


def tone_key(lightness: Plane, scene: Scene) -> ToneKey:
    """The key looks only at the shape of the histogram: a black animal keeps bright eyes, a white one dark eyes.

    So neither exposure nor haze moves it.
    """
    low, mid, high = _percentiles(scene.samples(lightness), 0.5, 50, 99.6)
    opened_low, opened_high = _opened(low, high, scene)
    if opened_high - opened_low < 0.04:
        return ToneKey(0.0, mid, 1.0, 0.0)
    relative = (mid - opened_low) / (opened_high - opened_low)
    white = min(max((relative - 0.74) / 0.14, 0.0), 1.0)
    black = min(max((0.40 - relative) / 0.22, 0.0), 1.0)
    most = (1 / LEAST_SPAN - 1) * (high - low)
    low, high = max(opened_low, low - most), min(opened_high, high + most)
    return ToneKey(low, mid, high * (1 + 0.30 * max(0.0, black - white)), white - black)  # black: headroom for its eyes


def _opened(low: float, high: float, scene: Scene) -> tuple[float, float]:
    """The pet's range opened towards the whole photo's: a black horse in the sun is black."""
    if not scene.known or scene.photo is None:
        return low, high
    darkest, lightest = _percentiles(weighted(scene.photo[::4, ::4], 0.3, 0.59, 0.11), 0.5, 99.6)
    return low - ANCHOR_LOW * max(0.0, low - darkest), high + ANCHOR_HIGH * max(0.0, lightest - high)


def _percentiles(x: Plane, *shares: float) -> list[float]:
    return [float(v) for v in np.percentile(x, shares)]


def calm_texture(lightness: Plane, scene: Scene) -> Plane:
    """Very sharp fur and sensor noise keep their direction at a lower amplitude; ordinary photos pass unchanged."""
    fine = np.abs(lightness - blur(lightness, 1.3 * scene.scale))
    amplitude = float(np.median(scene.samples(fine)))
    if amplitude < 0.010:
        return lightness
    base = guided_filter(lightness, lightness, 4 * scene.scale, (3 * amplitude) ** 2)
    return base + (lightness - base) * max(0.2, 0.010 / amplitude)


def catch_lights(lightness: Plane, scale: float) -> Plane:
    """Small bright spots in deep dark, 0..1: the light in the eyes."""
    h, w = lightness.shape
    spot = lightness - cast(Plane, cv2.morphologyEx(lightness, cv2.MORPH_OPEN, disc(15 * scale)))
    half = resize(blur(lightness, 1.5 * scale), max(8, w // 2), max(8, h // 2), AREA)
    darkest = resize(cast(Plane, cv2.erode(half, disc(13 * scale))), w, h)
    return blur(smoothstep(spot, 0.20, 0.42) * smoothstep(0.36 - darkest, 0, 0.14), 0.8 * scale)


def dark_spots(lightness: Plane, scale: float) -> Plane:
    """Small compact dark spots, 0..1: pupils, nostrils. Lines, such as gaps in the fur, and crowds are none."""
    h, w = lightness.shape
    half = resize(lightness, max(8, w // 2), max(8, h // 2), AREA)
    around = cast(Plane, cv2.morphologyEx(half, cv2.MORPH_CLOSE, disc(12 * scale)))
    spot = cast(Plane, cv2.morphologyEx(around - half, cv2.MORPH_OPEN, disc(2.2 * scale)))
    near = resize(cast(Plane, cv2.dilate(spot * _alone(spot, scale / 2), disc(3 * scale))), w, h)
    deep = resize(around, w, h) - lightness
    return smoothstep(np.minimum(deep, near), 0.08, 0.30)


def _alone(spot: Plane, scale: float) -> Plane:
    """0..1: 1 where few spots are near each other, as two pupils and a nose; 0 in the pepper of short fur."""
    deepest = cast(Plane, cv2.dilate(spot, disc(2 * NEIGHBOURS * scale)))  # a pupil in dark fur is deeper than the fur
    seen = (spot > np.maximum(0.08, 0.6 * deepest)).astype(np.uint8)
    count, _, _, centres = cv2.connectedComponentsWithStats(seen, connectivity=8)
    places = np.zeros_like(spot)
    x, y = centres[1:count].round().astype(int).T
    np.add.at(places, (y, x), 1)
    sigma = max(1.0, NEIGHBOURS * scale)
    few = smoothstep(CROWD - blur(places, sigma) * (2 * np.pi * sigma * sigma), 0, 2)
    return few * smoothstep(COVERED - blur(seen.astype(np.float32), sigma), 0, 0.1)  # dots that touch count as one
