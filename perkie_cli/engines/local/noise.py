"""Seeded noise: one independent random stream per component, so that changing one never moves another."""

import math
import zlib

import numpy as np

from perkie_cli.engines.local.planes import CUBIC, Plane, resize


def stream(seed: int, component: str) -> np.random.Generator:
    """The random stream of one named component of a picture."""
    return np.random.default_rng([seed, zlib.crc32(component.encode())])


def white_noise(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Independent samples of unit variance; uniform, since all are blurred or summed later, and thrice as quick."""
    return (rng.random((height, width), np.float32) - 0.5) * math.sqrt(12)


def unit(noise: Plane) -> Plane:
    """Noise brought to unit variance."""
    return noise * (1 / max(float(noise.std()), 1e-6))


def fractal_noise(
    rng: np.random.Generator, height: int, width: int, scale: float, octaves: int = 4, gain: float = 0.5
) -> Plane:
    """Value noise of unit variance whose coarsest octave is `scale` px wide; smooth ones are made on a small grid."""
    shrink = 4 if scale / 2 ** (octaves - 1) >= 8 else 1
    h, w = -(-height // shrink), -(-width // shrink)
    total = np.zeros((h, w), np.float32)
    amplitude, energy = 1.0, 0.0
    for octave in range(octaves):
        cell = max(1.0, scale / shrink / 2**octave)
        layer = white_noise(rng, int(h / cell) + 5, int(w / cell) + 5)
        if cell > 1.01:
            layer = resize(layer, math.ceil(layer.shape[1] * cell), math.ceil(layer.shape[0] * cell), CUBIC)
        total += amplitude * layer[:h, :w]
        energy += amplitude * amplitude
        amplitude *= gain
    total *= 1 / math.sqrt(energy)
    return total if shrink == 1 else resize(total, width, height, CUBIC)
