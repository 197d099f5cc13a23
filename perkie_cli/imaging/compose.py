"""Puts a cut-out on a canvas and in front of a background."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.cutouts.request import Background, BackgroundKind, Framing
from perkie_cli.imaging.framing import canvas_box, to_canvas, to_canvas_extended
from perkie_cli.imaging.raster import Raster
from perkie_cli.imaging.sizes import shrunk

Bytes = NDArray[np.uint8]

_BLUR = 1 / 40  # sigma of the blurred background, as a share of the long side
_BLUR_SIDE = 512  # px on the long side of the copy that is blurred
_BAND = 256  # rows composed at a time: whole-picture temporaries of 12 MP would be 150 MB each


def compose(
    cutout: Raster, framing: Framing, background: Background, original: Bytes | None, picture: Raster | None
) -> Raster:
    """The framed cut-out in front of its background.

    ``cutout`` has decontaminated colours and alpha; ``original`` is the picture with its old background, for ``blur``;
    ``picture`` the new one, for ``picture``.
    """
    alpha = cutout.alpha
    assert alpha is not None, "a cut-out has alpha"
    box = canvas_box(alpha, framing)
    framed = cutout if framing.is_plain else to_canvas(cutout, box)
    match background.kind:
        case BackgroundKind.TRANSPARENT:
            return framed
        case BackgroundKind.COLOUR:
            behind: Bytes = np.full((1, 1, 3), background.colour, np.uint8)
        case BackgroundKind.BLUR:
            assert original is not None, "blur needs the original"
            behind = to_canvas_extended(blurred(original, alpha), box)
        case BackgroundKind.PICTURE:
            assert picture is not None, "a picture background needs the picture"
            behind = cover(picture, box.width, box.height)
    return before(framed, behind)


def mask(cutout: Raster, framing: Framing) -> Raster:
    """The framed alpha as a grey picture."""
    assert cutout.alpha is not None, "a cut-out has alpha"
    alpha = to_canvas(cutout, canvas_box(cutout.alpha, framing)).alpha
    assert alpha is not None, "a canvas has alpha"
    return Raster(np.repeat(alpha[..., None], 3, axis=2))


def before(cutout: Raster, behind: Bytes) -> Raster:
    """Alpha composition ("over", Porter and Duff 1984) on an opaque background that broadcasts to the cut-out."""
    assert cutout.alpha is not None, "a cut-out has alpha"
    result = np.empty_like(cutout.rgb)
    whole = np.broadcast_to(behind, cutout.rgb.shape)
    for top in range(0, cutout.height, _BAND):
        rows = slice(top, top + _BAND)
        a = cutout.alpha[rows, :, None].astype(np.uint16)
        mixed = cutout.rgb[rows] * a + whole[rows] * (255 - a) + np.uint16(127)
        result[rows] = mixed // 255
    return Raster(result)


def blurred(original: Bytes, alpha: Bytes) -> Bytes:
    """The old background out of focus, without the subject's colours bleeding into it."""
    height, width = alpha.shape
    size = shrunk(width, height, _BLUR_SIDE)
    small = cv2.resize(original, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    weight = 1.001 - cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    sigma = max(size) * _BLUR
    mass = cv2.GaussianBlur(weight, (0, 0), sigma)
    soft = cv2.GaussianBlur(small * weight[..., None], (0, 0), sigma) / mass[..., None]
    return np.asarray(cv2.resize(np.clip(soft + 0.5, 0, 255).astype(np.uint8), (width, height)), np.uint8)


def opaque(picture: Raster) -> Raster:
    """The picture over white."""
    return picture if picture.alpha is None else before(picture, np.full((1, 1, 3), 255, np.uint8))


def cover(picture: Raster, width: int, height: int) -> Bytes:
    """The picture scaled to cover ``width`` × ``height`` px, centred; its own transparency shows white."""
    scale = max(width / picture.width, height / picture.height)
    size = max(width, round(picture.width * scale)), max(height, round(picture.height * scale))
    scaled = cv2.resize(opaque(picture).rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    return np.asarray(scaled[top : top + height, left : left + width], np.uint8)


def tinted(cutout: Raster, colour: tuple[int, int, int], opacity: int) -> Raster:
    """The cut-out on a background of that colour and ``opacity`` (0..255): the result may have alpha itself."""
    if opacity == 255:
        return before(cutout, np.full((1, 1, 3), colour, np.uint8))
    assert cutout.alpha is not None, "a cut-out has alpha"
    rgb, alpha = np.empty_like(cutout.rgb), np.empty_like(cutout.alpha)
    for top in range(0, cutout.height, _BAND):
        rows = slice(top, top + _BAND)
        a = cutout.alpha[rows].astype(np.float32)[..., None]
        behind = (255 - a) * (opacity / 255)
        total = a + behind
        mixed = (cutout.rgb[rows] * a + np.array(colour, np.float32) * behind) / np.maximum(total, 1e-6)
        rgb[rows], alpha[rows] = mixed + 0.5, total[..., 0] + 0.5
    return Raster(rgb, alpha)
