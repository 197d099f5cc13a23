"""The guided filter with a colour guide: values follow the edges of a picture.

K. He, J. Sun, X. Tang: Guided Image Filtering, ECCV 2010; K. He, J. Sun: Fast Guided Filter, 2015. Within a window the
values are taken to be an affine function of the colour. Fitted on a small copy and evaluated on the whole picture, it
brings out hair that the small copy does not show.

Fitting is float64: in float32 the covariances lose all their digits on flat black, and the filter answers NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.frozen import frozen

Plane = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]


@frozen
class ColourModel:
    """``slope`` (h, w, 3) and ``offset`` (h, w), float32: values ≈ slope · colour + offset, around each pixel."""

    slope: Plane
    offset: Plane

    def evaluated(self, picture: Plane) -> Plane:
        """The values (h, w) of a picture (h, w, 3) of 0..1; the model is brought to its size."""
        size = picture.shape[1::-1]
        slope, offset = (
            plane if plane.shape[1::-1] == size else cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
            for plane in (self.slope, self.offset)
        )
        values: Plane = np.einsum("ijk,ijk->ij", slope, picture) + offset
        return values


def fit(picture: Plane, values: Plane, radius: int, eps: float) -> ColourModel:
    """The model of ``values`` (h, w) in windows of ``radius`` px; ``eps`` (variance) keeps what is flat smooth."""
    guide, target = picture.astype(np.float64), values.astype(np.float64)
    mean, mean_target = _box(guide, radius), _box(target, radius)
    covariance = _planes(_box(guide * target[..., None], radius) - mean * mean_target[..., None])
    slope = np.asarray(cv2.merge(solve_symmetric(_covariances(guide, mean, radius, eps), covariance)), np.float64)
    offset = mean_target - np.einsum("ijk,ijk->ij", slope, mean)
    return ColourModel(_box(slope, radius).astype(np.float32), _box(offset, radius).astype(np.float32))


def _covariances(guide: Doubles, mean: Doubles, radius: int, eps: float) -> Sequence[Doubles]:
    """rr, rg, rb, gg, gb and bb of each window."""
    (r, g, b), (mean_r, mean_g, mean_b) = _planes(guide), _planes(mean)
    return (
        _box(r * r, radius) - mean_r * mean_r + eps,
        _box(r * g, radius) - mean_r * mean_g,
        _box(r * b, radius) - mean_r * mean_b,
        _box(g * g, radius) - mean_g * mean_g + eps,
        _box(g * b, radius) - mean_g * mean_b,
        _box(b * b, radius) - mean_b * mean_b + eps,
    )


def solve_symmetric(matrix: Sequence[Doubles], right: Sequence[Doubles]) -> list[Doubles]:
    """x of symmetric 3 × 3 systems of any shape, by their adjugates; ``matrix``: rr, rg, rb, gg, gb and bb."""
    rr, rg, rb, gg, gb, bb = matrix
    first, second, third = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    determinant = rr * first + rg * second + rb * third
    x, y, z = right
    return [
        (first * x + second * y + third * z) / determinant,
        (second * x + (rr * bb - rb * rb) * y + (rg * rb - rr * gb) * z) / determinant,
        (third * x + (rg * rb - rr * gb) * y + (rr * gg - rg * rg) * z) / determinant,
    ]


def _planes(picture: Doubles) -> list[Doubles]:
    """The channels, each in one piece of memory."""
    return [np.asarray(plane, np.float64) for plane in cv2.split(picture)]


def _box(values: Doubles, radius: int) -> Doubles:
    size = 2 * radius + 1
    return np.asarray(cv2.blur(values, (size, size), borderType=cv2.BORDER_REFLECT), np.float64)
