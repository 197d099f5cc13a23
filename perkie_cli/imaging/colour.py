"""Colour management: converts any profile or code points to sRGB."""

from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from perkie_cli.imaging import cicp
from perkie_cli.imaging.decoders.pixels import Pixels, Samples, shallow

UNREADABLE_PROFILE = "its colour profile could not be used; colours are taken as sRGB"
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # ICC.1 colour space signature → Pillow mode


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
    try:
        return _by_profile(colour, pixels.profile), None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, LookupError, AttributeError):
        return _plain_rgb(colour), UNREADABLE_PROFILE


def as_image(colour: Samples) -> Image.Image:
    """L, RGB or CMYK by the number of channels."""
    if _mode(colour) == "CMYK":
        return Image.frombytes("CMYK", (colour.shape[1], colour.shape[0]), colour.tobytes())
    return Image.fromarray(colour)


def _mode(colour: Samples) -> str:
    return "L" if colour.ndim == 2 else {3: "RGB", 4: "CMYK"}[colour.shape[2]]


def _plain_rgb(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if colour.ndim == 2:
        return np.asarray(cv2.cvtColor(colour, cv2.COLOR_GRAY2RGB), np.uint8)
    return colour if colour.shape[2] == 3 else np.asarray(as_image(colour).convert("RGB"))


def _by_profile(colour: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = _MODES[source.profile.xcolor_space.strip()]
    if colour.ndim == 2 and mode == "RGB":  # a grey picture under an RGB profile is read as RGB
        colour = _plain_rgb(colour)
    if mode != _mode(colour):
        raise ValueError(f"a {mode} profile on a {_mode(colour)} image")
    transform = ImageCms.ImageCmsTransform(
        source,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        mode,
        "RGB",
        intent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if mode == "RGB" and _changes_nothing(transform):
        return colour  # most profiles are sRGB; converting all pixels would be the slowest step of decoding
    return np.asarray(transform.apply(as_image(colour)))


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether 125 sample colours stay the same within one level."""
    levels = (0, 64, 128, 192, 255)
    before = bytes(value for r in levels for g in levels for b in levels for value in (r, g, b))
    after = transform.apply(Image.frombytes("RGB", (125, 1), before)).tobytes()
    return all(abs(a - b) <= 1 for a, b in zip(before, after, strict=True))
