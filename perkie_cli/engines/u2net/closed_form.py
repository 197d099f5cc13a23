"""Closed-form matting of the pixels that a coarse map leaves open.

A. Levin, D. Lischinski, Y. Weiss: A Closed-Form Solution to Natural Image Matting, CVPR 2006. Within each 3 × 3 window
alpha is an affine function of the colour; the least squares of all windows are a sparse linear system. Here it is kept
as the 5 × 5 stencil of each open pixel and solved by conjugate gradients, so numpy alone does it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.engines.u2net.guided import solve_symmetric

Floats = NDArray[np.float32]
Plane = NDArray[np.floating[Any]]
Picture = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]

_EPSILON = 1e-6  # variance of colour that counts as flat
_TOLERANCE = 1e-4  # of the residual's norm
_CHUNK = 4096  # windows at a time: their colours stay in the processor's cache
_MARGIN = 2  # px around the picture, so that every open pixel has its whole stencil
_REACH = 5  # px, the width of a stencil
_WINDOW = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
_STEPS = [y * _REACH + x for y, x in _WINDOW]  # in a stencil


def solve(picture: Picture, start: Plane, open_: Mask, prior: Plane, steps: int) -> Floats:
    """``start`` (h, w) with its open pixels solved for ``picture`` (h, w, 3); both 0..1. The others are taken as known.

    ``prior`` (h, w) holds each open pixel to its start: a window weighs 1. At most ``steps`` of conjugate gradients;
    from a good start few do.
    """
    system = _System(picture, open_, prior[open_].astype(np.float32))
    known = _padded(start.astype(np.float32)).ravel()
    wanted = known[system.places]
    known[system.places] = 0
    right = system.prior * wanted - system.windows_of(known)
    result = start.astype(np.float32)
    result[open_] = _conjugate_gradients(system, right, wanted, steps)
    return np.clip(result, 0, 1)


class _System:
    """The matting Laplacian's rows of the open pixels."""

    def __init__(self, picture: Picture, open_: Mask, prior: Floats) -> None:
        self.prior = prior
        padded = np.pad(open_, _MARGIN)
        stride = padded.shape[1]
        self.places: Places = np.flatnonzero(padded)
        self._size = padded.size
        around = np.arange(_REACH) - _MARGIN
        self._stencil = (around[:, None] * stride + around).reshape(-1, 1)
        self._neighbours = self.places + self._stencil
        self._weights = _stencils(_padded(picture).reshape(-1, 3), padded, self.places)
        self.diagonal = self._weights[len(self._weights) // 2] + prior

    def windows_of(self, values: Floats) -> Floats:
        """The Laplacian times ``values`` (of every padded pixel), at the open pixels."""
        return np.asarray(np.einsum("ij,ij->j", self._weights, values.take(self._neighbours)), np.float32)

    def times(self, unknown: Floats) -> Floats:
        """The system's matrix times values of the open pixels."""
        values = np.zeros(self._size, np.float32)
        values[self.places] = unknown
        return self.windows_of(values) + self.prior * unknown


def _stencils(colours: Picture, open_: Mask, places: Places) -> Floats:
    """float32 (25, open pixels), of colours (padded pixels, 3)."""
    stride = open_.shape[1]
    row = np.full(open_.size, len(places))  # one more row takes what belongs to known pixels
    row[places] = np.arange(len(places))
    touching = cv2.dilate(open_.view(np.uint8), np.ones((3, 3), np.uint8)).ravel()
    centres = np.flatnonzero(touching)
    weights = np.zeros((_REACH * _REACH, len(places) + 1))
    window = np.array([[y * stride + x] for y, x in _WINDOW])
    middle = len(weights) // 2
    for begin in range(0, len(centres), _CHUNK):
        pixels = centres[begin : begin + _CHUNK] + window
        rows = row[pixels]
        for i, shares in enumerate(_window_laplacians(colours[pixels])):
            for j, share in enumerate(shares, i):  # a pixel stands at i in one window only
                step = _STEPS[j] - _STEPS[i]
                weights[middle + step][rows[i]] += share
                if step:
                    weights[middle - step][rows[j]] += share
    return weights[:, :-1].astype(np.float32)


def _window_laplacians(colours: Picture) -> Iterator[Plane]:
    """The 9 × 9 matrices of n windows, of their colours (9, n, 3): row i from its diagonal on, float64 (9 - i, n).

    The rest is its mirror image.
    """
    centred = np.ascontiguousarray(colours.transpose(2, 0, 1), np.float64)
    centred -= centred.mean(1, keepdims=True)
    r, g, b = centred
    pairs = (r, r), (r, g), (r, b), (g, g), (g, b), (b, b)
    covariances = [(one * other).mean(0) + (_EPSILON / 9 if one is other else 0) for one, other in pairs]
    x, y, z = (solved / -9 for solved in solve_symmetric(covariances, (r, g, b)))
    for i in range(len(_WINDOW)):
        shares = r[i] * x[i:] + g[i] * y[i:] + b[i] * z[i:] - 1 / 9
        shares[0] += 1
        yield shares


def _conjugate_gradients(system: _System, right: Floats, start: Floats, steps: int) -> Floats:
    """Preconditioned by the diagonal."""
    x = start.copy()
    residual = right - system.times(x)
    scaled = residual / system.diagonal
    direction = scaled.copy()
    size = first = float(residual @ scaled)
    for _ in range(steps):
        if size <= _TOLERANCE**2 * first:
            break
        image = system.times(direction)
        step = np.float32(size / float(direction @ image))
        x += step * direction
        residual -= step * image
        scaled = residual / system.diagonal
        before, size = size, float(residual @ scaled)
        direction = scaled + np.float32(size / before) * direction
    return x


def _padded(values: Plane) -> Any:
    margins = (_MARGIN,) * 4
    return cv2.copyMakeBorder(values, *margins, cv2.BORDER_REPLICATE)
