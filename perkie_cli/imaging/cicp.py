"""Colour by code points (ITU-T H.273), as HEIC and PNG may carry it instead of a profile: wide gamuts and HDR become
sRGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.imaging.containers.header import CodePoints

Floats = NDArray[np.float32]

# The primaries' chromaticities (x, y of red, green, blue), white is D65. The others of the table are television's of
# old: next to sRGB, and encoders write them without meaning them.
_SRGB = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_WIDE = {
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}
_D65 = (0.3127, 0.3290)

_LINEAR, _PQ, _HLG = 8, 16, 18
_GAMMAS = {4: 2.2, 5: 2.8, _LINEAR: 1.0}
_HDR = {_PQ: "PQ", _HLG: "HLG"}

_DIFFUSE_WHITE = 203  # cd/m² of paper white in HDR (ITU-R BT.2408)
_PEAK = 1000 / _DIFFUSE_WHITE  # what pictures are graded for
_KNEE = 0.8  # of paper white: what is darker keeps its lightness
_STEPS = 65_535  # of light, in which sRGB's levels are looked up
_BAND = 256  # rows converted at a time, which bounds the memory


def matters(points: CodePoints) -> bool:
    """Whether a picture with these code points has other colours than the same samples in sRGB."""
    return points.primaries in _WIDE or points.transfer in _GAMMAS or points.transfer in _HDR


def to_srgb(samples: NDArray[np.unsignedinteger[Any]], points: CodePoints) -> tuple[NDArray[np.uint8], str | None]:
    """RGB or grey, (height, width[, 3]) of 8 or 16 bits, as 8-bit sRGB, and a note where light was lost: HDR is
    brighter than any white of sRGB, so its highlights are compressed.
    """
    if samples.ndim == 2:
        samples = np.repeat(samples[..., None], 3, axis=2)
    light = _light(points.transfer, int(np.iinfo(samples.dtype).max))
    matrix, is_hdr = _to_srgb_primaries(points.primaries), points.transfer in _HDR
    result = np.empty(samples.shape, np.uint8)
    for top in range(0, len(samples), _BAND):
        band = light[samples[top : top + _BAND]]
        if points.transfer == _HLG:
            band = _displayed(band)
        band = np.maximum(cv2.transform(band, matrix), 0)
        if is_hdr:
            band = _compressed(band)
        result[top : top + _BAND] = _levels()[np.minimum(band * _STEPS + 0.5, _STEPS).astype(np.uint16)]
    return result, f"HDR ({_HDR[points.transfer]}) was converted to sRGB" if is_hdr else None


@cache
def _light(transfer: int, top: int) -> Floats:
    """Of each sample value its light, where paper white is 1; of HLG the light of the scene."""
    value = np.arange(top + 1) / top
    if transfer == _PQ:  # SMPTE ST 2084
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = value ** (1 / m2)
        light = 10_000 / _DIFFUSE_WHITE * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    elif transfer == _HLG:  # ITU-R BT.2100
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    elif transfer in _GAMMAS:
        light = value ** _GAMMAS[transfer]
    else:
        light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


@cache
def _levels() -> NDArray[np.uint8]:
    """Of each step of light its level in sRGB."""
    light = np.arange(_STEPS + 1) / _STEPS
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray((value * 255 + 0.5).astype(np.uint8))


def _displayed(scene: Floats) -> Floats:
    """HLG's light of the scene as a display of 1000 cd/m² shows it (ITU-R BT.2100, OOTF)."""
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593], np.float32)
    return np.asarray(scene * (luminance ** np.float32(0.2) * np.float32(_PEAK))[..., None], np.float32)


def _compressed(light: Floats) -> Floats:
    """Light over the knee bent so that the peak becomes white (as Reinhard 2002, above the knee); the hue stays."""
    brightest = np.maximum(light.max(axis=2), np.float32(1e-6))
    over, peak = np.maximum(brightest - _KNEE, 0) / (1 - _KNEE), (_PEAK - _KNEE) / (1 - _KNEE)
    bent = np.minimum(brightest, _KNEE) + (1 - _KNEE) * over * (1 + over / peak**2) / (1 + over)
    return np.asarray(light * (bent / brightest)[..., None], np.float32)


def _to_srgb_primaries(primaries: int) -> Floats:
    """The matrix from linear RGB in these primaries to linear sRGB."""
    return np.linalg.solve(_to_xyz(_SRGB), _to_xyz(_WIDE.get(primaries, _SRGB))).astype(np.float32)


def _to_xyz(primaries: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """SMPTE RP 177: each primary as strong as it takes for all to make white."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in (*primaries, _D65)]).T
    return columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3])
