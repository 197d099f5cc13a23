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
    guide, target = [plane.astype(np.float64) for plane in cv2.split(picture)], values.astype(np.float64)
    means, mean_target = [_box(plane, radius) for plane in guide], _box(target, radius)
    covariances = [_box(plane * target, radius) - mean * mean_target for plane, mean in zip(guide, means, strict=True)]
    slope = solve_symmetric(_matrix(guide, means, radius, eps), covariances)
    offset = mean_target - sum(along * mean for along, mean in zip(slope, means, strict=True))
    smooth = [_box(along, radius).astype(np.float32) for along in slope]
    return ColourModel(np.asarray(cv2.merge(smooth), np.float32), _box(offset, radius).astype(np.float32))


def _matrix(guide: Sequence[Doubles], means: Sequence[Doubles], radius: int, eps: float) -> Sequence[Doubles]:
    """rr, rg, rb, gg, gb and bb of each window: covariances of the colours."""
    (r, g, b), (mean_r, mean_g, mean_b) = guide, means
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


def _box(values: Doubles, radius: int) -> Doubles:
    size = 2 * radius + 1
    return np.asarray(cv2.blur(values, (size, size), borderType=cv2.BORDER_REFLECT), np.float64)
