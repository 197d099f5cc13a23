"""The mount of a photo: a frame or bars of one colour, as scans and screenshots have. It is no part of the scene."""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

MOST = 0.2  # of a side: what is plain further in is a wall or the sky
PLAIN = 10  # levels of 255 in any channel: how far all but a twentieth of a line may be from the mount's colour
EDGE, ALONG = 24, 0.7  # levels at the mount's inner edge, and the share of its length that shows them
SOFT = 3  # px that this edge may take, as scaling and JPEG soften it
SAMPLES = 512  # of a line, at least (if it has them): before a plain wall many lines are looked at


def without_mount(rgb: Bytes) -> tuple[slice, slice]:
    """Rows and columns of an (h, w, 3) photo inside its mount; all of them if it has none."""
    top, bottom = _thickness(rgb), _thickness(rgb[::-1])
    inner = rgb[top : len(rgb) - bottom].transpose(1, 0, 2)
    left, right = _thickness(inner), _thickness(inner[::-1])
    return slice(top, rgb.shape[0] - bottom), slice(left, rgb.shape[1] - right)


def _thickness(lines: Bytes) -> int:
    """How many of the first lines are the mount; 0 if they are plain, but end in no clear edge."""
    deepest = int(MOST * len(lines))
    lines = lines[:, :: max(1, lines.shape[1] // SAMPLES)]
    colour = np.median(lines[0], axis=0).astype(np.int16)
    for thickness in range(deepest - SOFT):
        away = np.abs(lines[thickness] - colour).max(1)
        if float((away > PLAIN).mean()) > 0.05:
            within = np.abs(lines[thickness + SOFT] - colour).max(1)
            clear = thickness > 0 and float((within > EDGE).mean()) >= ALONG
            return thickness + SOFT - 1 if clear else 0
    return 0
