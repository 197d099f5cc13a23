"""Colour management: converts any profile or code points to sRGB."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.imaging import cicp
from perkie_cli.imaging.decoders.pixels import Pixels, shallow

UNREADABLE_PROFILE = "its colour profile could not be used; colours are taken as sRGB"


def in_8_bits(pixels: Pixels) -> Pixels:
    """The same of 8 bits. Where the way from 16 decides over colours, they are in sRGB afterwards."""
    if pixels.colour.dtype == np.uint8:
        return pixels
    if pixels.code_points is not None and cicp.matters(pixels.code_points):
        return _in_srgb(pixels, *cicp.to_srgb(pixels.colour, pixels.code_points))
    small = replace(pixels, colour=shallow(pixels.colour))
    if pixels.profile is None or pixels.colour.ndim == 3:
        return small
    # A linear grey of 8 bits has but 13 levels of the darkest 5 %: its curve is drawn through all 65,536.
    ramp, note = to_srgb(Pixels(np.arange(256, dtype=np.uint8)[None], profile=pixels.profile))
    if note:
        return small
    where = np.arange(65_536) / 257
    curves = [np.interp(where, np.arange(256), ramp[0, :, channel]) + 0.5 for channel in range(3)]
    return _in_srgb(pixels, np.stack(curves, -1).astype(np.uint8)[pixels.colour], None)


def _in_srgb(pixels: Pixels, rgb: NDArray[np.uint8], note: str | None) -> Pixels:
    notes = (*pixels.notes, note) if note else pixels.notes
    return replace(pixels, colour=rgb, profile=None, code_points=None, notes=notes)


def to_srgb(pixels: Pixels) -> tuple[NDArray[np.uint8], str | None]:
    """Pixels of 8 bits as RGB (height, width, 3), and a note when HDR was compressed or the profile had to be ignored.

    Relative colorimetric with black-point compensation, as image editors do. CMYK without a profile is converted
    by ink coverage.
    """
    colour = shallow(pixels.colour)
    if pixels.code_points is not None and cicp.matters(pixels.code_points):
        return cicp.to_srgb(colour, pixels.code_points)
    if pixels.profile is None:
        return _plain_rgb(colour), None
    from perkie_cli.imaging import pillow  # late: see there

    rgb = pillow.by_profile(colour, pixels.profile)
    return (_plain_rgb(colour), UNREADABLE_PROFILE) if rgb is None else (rgb, None)


def _plain_rgb(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if colour.ndim == 2:
        return np.asarray(cv2.cvtColor(colour, cv2.COLOR_GRAY2RGB), np.uint8)
    if colour.shape[2] == 3:
        return colour
    from perkie_cli.imaging import pillow

    return pillow.rgb_of_cmyk(colour)
