"""PNG, by OpenCV: it gives every sample at its depth and refuses a picture that lacks rows. Pillow drops the low byte
of colour, compares the transparent colour at the wrong depth, and fills up rows that are missing.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.imaging.containers.png import Png, parts
from perkie_cli.imaging.damage import Damage
from perkie_cli.imaging.decoders.pixels import Pixels, Samples, shallow


def decode(data: bytes) -> Pixels:
    """Decodes to grey or RGB with 8 or 16 bits. Raises: Damage."""
    png = parts(data)
    found = cv2.imdecode(np.frombuffer(png.file, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise Damage("the picture data ends too early or does not decode")
    samples, alpha = cast(Samples, found), None
    if png.key:
        alpha = _alpha_by_key(samples, png, png.key)
    elif samples.ndim == 3 and samples.shape[2] == 4:
        alpha = np.ascontiguousarray(shallow(samples[..., 3]))  # a view would keep all four channels in memory
    return Pixels(_colour(samples, png), alpha, png.profile, png.code_points)


def _colour(samples: Samples, png: Png) -> Samples:
    if samples.ndim == 2:
        return samples
    if png.is_grey:  # OpenCV repeats it where there is alpha
        return np.ascontiguousarray(samples[..., 0])
    if samples.shape[2] == 4:
        return np.asarray(cv2.cvtColor(samples, cv2.COLOR_BGRA2RGB))
    return np.asarray(cv2.cvtColor(samples, cv2.COLOR_BGR2RGB, dst=samples))  # in place: it may be large


def _alpha_by_key(samples: Samples, png: Png, key: tuple[int, ...]) -> NDArray[np.uint8]:
    """Transparent where all channels are those of the key, at the depth of the file."""
    scale = 255 // ((1 << png.depth) - 1) if png.depth < 8 else 1  # OpenCV spreads 1, 2 and 4 bits over 8
    matches = (channel == value * scale for channel, value in zip(cv2.split(samples)[::-1], key, strict=True))
    return np.where(np.logical_and.reduce(tuple(matches)), np.uint8(0), np.uint8(255))
