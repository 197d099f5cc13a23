"""The colours of a van Gogh: the subject's own, keyed and intensified, before a sky in the painter's scale."""

from collections.abc import Mapping
from typing import Final, cast

import cv2
import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.looks import VanGogh
from perkie_cli.engines.local.noise import fractal_noise, stream
from perkie_cli.engines.local.oil.night_sky import Sky
from perkie_cli.engines.local.planes import (
    CUBIC,
    Picture,
    Plane,
    blur,
    channels,
    guided_filter,
    power,
    resize,
    smoothstep,
    solve_gamma,
)
from perkie_cli.engines.local.scene.ground import Ground
from perkie_cli.engines.local.scene.subject import Scene, fill_around
from perkie_cli.engines.local.tone import ToneKey, calm_texture, catch_lights, tone_key
from perkie_cli.imaging.raster import thrice

LIGHTNESS_STOPS: Final = (0.0, 0.16, 0.30, 0.44, 0.58, 0.70, 0.84, 1.0)
SKIES: Final[Mapping[str, tuple[str, ...]]] = {  # from the darkest to the lightest paint, one a stop
    "starry_night": ("080e30", "162468", "2042a0", "3470be", "70aac4", "b0ceb4", "f6e084", "ffeeaa"),
    "wheat_field": ("1c2410", "3a4a1c", "6b6a1e", "a8862a", "d6a936", "e9c659", "f4e08c", "fff3c4"),
    "almond_blossom": ("123040", "1e5668", "2f7f8c", "57a5a8", "8cc4bd", "bcdccb", "efe9d8", "fffaf0"),
}


@frozen
class Sitter:
    """The subject's colours after normalising, so that every later threshold is absolute."""

    lightness: Plane  # 0..1
    a: Plane  # CIELAB a* and b*
    b: Plane
    sparks: Plane  # 0..1, the catch-lights
    tone: ToneKey


def read_sitter(scene: Scene, colour: float) -> Sitter:
    """Lightness keyed and chroma evened out on the subject: black animals stay black, white ones white."""
    lightness, a, b = channels(cast(Plane, cv2.cvtColor(scene.rgb, cv2.COLOR_RGB2LAB)))
    lightness = lightness / 100
    tone = tone_key(lightness, scene)
    span = tone.high - tone.low
    if span > 0.02:
        lightness = np.clip((lightness - tone.low) / max(span, 0.12), 0, 1)
    sparks = catch_lights(lightness, scene.scale)
    lightness = calm_texture(lightness, scene)
    middle = min(max((tone.mid - tone.low) / max(span, 0.12), 0.08), 0.92)
    wanted = 0.50 + (0.17 if tone.key > 0 else 0.28) * tone.key if tone.key else middle
    gamma = min(max(solve_gamma(middle, wanted), 0.62 + 0.3 * tone.black), 1.5 - 0.1 * tone.white)
    chroma = float(np.percentile(scene.samples(cast(Plane, cv2.magnitude(a, b))), 90))
    most = colour * (min(max(36 / (chroma + 1e-3), 1.0), 1.9) if chroma > 5 else 1.0)
    faint = smoothstep(22 + 26 * tone.black - cast(Plane, cv2.magnitude(a, b)), 0, 10)
    black, white = 0.8 * tone.black * smoothstep(0.45 - lightness, 0, 0.2), 0.5 * smoothstep(lightness, 0.5, 0.8)
    gain = most * (1 - (black + white) * faint)  # the cast of a black or a white coat is no colour
    return Sitter(power(lightness, gamma), a * gain, b * gain, sparks, tone)


def reference_picture(scene: Scene, sitter: Sitter, sky: Sky, ground: Ground, look: VanGogh, seed: int) -> Picture:
    """What the strokes are to approach."""
    scale = scene.scale
    form = guided_filter(sitter.lightness, sitter.lightness, 40 * scale, 0.03)
    relief = 1.28 + 0.9 * sitter.tone.white  # the flat fur of a white animal needs small strokes, too
    dark = smoothstep(0.46 - form, 0, 0.36)  # eyes and form of dark fur lie in its shadows
    light = np.clip(form * (1 + 0.10 * dark) + (relief + 0.9 * dark) * (sitter.lightness - form), 0, 1)
    light += 0.30 * (light * light * (3 - 2 * light) - light)
    light += 0.5 * sitter.sparks * (1 - light)
    a, b = _intensify(sitter, light)
    lab = np.dstack([10 + 84 * light, a, b])
    rng = stream(seed, "backdrop")
    night = 0.36 + 0.105 * fractal_noise(rng, scene.height, scene.width, 60 * scale, 3)
    ring = np.clip(blur(scene.subject, 38 * scale) - scene.subject, 0, 1)
    night += ring * (0.20 + 0.22 * sitter.tone.black)  # lighter paint around lifts a dark animal off the night
    if scene.cut_out:
        behind, starlight = smoothstep(1 - scene.subject, 0.3, 0.8), look.stars
    else:
        behind, starlight = smoothstep(1 - scene.subject, 0.24, 0.72) * (0.9 * look.sky), 0.75 * look.stars
        behind *= (1 - 0.7 * ground.floor) ** 2 * (1 - 0.8 * ground.patch)  # feet stand in what was there
        night = 0.30 * night + 0.70 * (0.06 + 0.56 * blur(light, 4 * scale))
    night += (0.99 - night) * sky.stars * starlight
    paint = _sky_scale(look.palette)[np.clip(night * 255, 0, 255).astype(np.uint8)]
    lab += (paint - lab) * thrice(behind)
    if scene.cut_out:
        seen = np.maximum(ground.floor, ground.patch)
        lab += (_floor_colours(scene, ground, lab) - lab) * thrice(behind * seen)
    return np.clip(cast(Picture, cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)), 0, 1)


def _floor_colours(scene: Scene, ground: Ground, lab: Picture) -> Picture:
    """The photo's own ground in stronger colours, broadly but around the feet; without a photo, hills at night."""
    if scene.photo is None:
        return lab * np.array([0.62, 0.8, 0.6], np.float32) + np.array([0, -6, 6], np.float32)
    broad = _strengthened(fill_around(scene.photo, 1 - scene.subject))
    floor = resize(broad, scene.width, scene.height, CUBIC)
    near = np.flatnonzero(ground.patch.max(1) > 0.02)
    if len(near):  # feet that the matte lacks, the grass before them
        band = slice(int(near[0]), int(near[-1]) + 1)
        floor[band] += (_strengthened(scene.photo[band]) - floor[band]) * ground.patch[band, :, None]
    return floor


def _strengthened(rgb: Picture) -> Picture:
    lab = cast(Picture, cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)) * np.array([0.7, 1.5, 1.5], np.float32)
    lab[..., 0] += 16
    return lab


def _intensify(sitter: Sitter, light: Plane) -> tuple[Plane, Plane]:
    """a* and b*: shadows towards violet blue, lights towards yellow; a cold cast on fur or nose is not made colder."""
    gain = 1 + 0.95 * cv2.exp(cv2.magnitude(sitter.a, sitter.b) * (-1 / 38))
    shadow, highlight = smoothstep(0.54 - light, 0, 0.46), smoothstep(light, 0.52, 0.95)
    cold = 30 - 12 * sitter.tone.white
    a = sitter.a * gain + shadow * 7 * (1 - 0.9 * sitter.tone.black) - highlight * 2
    b = sitter.b * np.where(sitter.b > 0, gain, 1) - shadow * (cold + np.clip(sitter.b, -cold, 0)) + highlight * 9
    return np.clip(a, -90, 90), np.clip(b, -100, 100)


def _sky_scale(name: str) -> Plane:
    """(256, 3) CIELAB colours from dark to light."""
    stops = np.array([list(bytes.fromhex(colour)) for colour in SKIES[name]]) / 255
    at = np.linspace(0, 1, 256)
    rgb = np.stack([np.interp(at, LIGHTNESS_STOPS, stops[:, c]) for c in range(3)], 1).astype(np.float32)
    return cast(Plane, cv2.cvtColor(rgb[None], cv2.COLOR_RGB2LAB)[0])
