"""Which way the fur lies, and lines drawn along it.

Structure tensor: Di Zenzo, A note on the gradient of a multi-image (1986). Lines: Kang, Lee, Chui, Coherent line
drawing (2007), with an isotropic difference of Gaussians smoothed along the flow: the same lines at half the cost.
"""

from typing import cast

import cv2
import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.planes import (
    AREA,
    CUBIC,
    EDGE,
    LINEAR,
    Plane,
    blur,
    channels,
    columns,
    resize,
    rows,
    smoothstep,
)


@frozen
class Orientation:
    """Tangent of the local structure in double-angle space, where opposite directions are the same."""

    cos2: Plane
    sin2: Plane
    coherence: Plane  # 0 no direction .. 1 one direction
    magnitude: Plane  # of the gradient, 0..1 units of the input a pixel


@frozen
class Flow:
    """A field of unit vectors."""

    x: Plane
    y: Plane

    def vectors(self) -> Plane:
        """As one (h, w, 2) array."""
        return cast(Plane, cv2.merge([self.x, self.y]))


def orientation(features: Plane, sigma: float) -> Orientation:
    """Smoothed structure tensor of a plane or of several channels, as its tangent direction."""
    h, w = features.shape[:2]
    xx, xy, yy = channels(_structure_tensor(features, sigma))
    xx, yy, xy2 = np.maximum(xx, 1e-9), np.maximum(yy, 1e-9), 2 * xy
    spread = np.sqrt((xx - yy) ** 2 + xy2 * xy2) + 1e-12
    trace = xx + yy
    fields = [(yy - xx) / spread, -xy2 / spread, spread / (trace + 1e-7), np.sqrt((trace + spread) * 0.5)]
    return Orientation(*channels(resize(cast(Plane, cv2.merge(fields)), w, h)))


def _structure_tensor(features: Plane, sigma: float) -> Plane:
    """(h/2, w/2, 3) products xx, xy, yy of the gradients, summed over channels and three scales."""
    h, w = features.shape[:2]
    half = resize(features, max(8, w // 2), max(8, h // 2), AREA)
    gx = channels(cv2.Scharr(half, -1, 1, 0) / 32)
    gy = channels(cv2.Scharr(half, -1, 0, 1) / 32)
    products = [np.add.reduce([a * b for a, b in zip(p, q, strict=True)]) for p, q in ((gx, gx), (gx, gy), (gy, gy))]
    tensor = cast(Plane, cv2.merge(products))
    return cast(Plane, blur(tensor, sigma) + 0.12 * blur(tensor, sigma * 3.5) + 0.015 * blur(tensor, sigma * 12))


def direction(cos2: Plane, sin2: Plane) -> Flow:
    """Unit vectors from a double-angle field of any length."""
    angle = cv2.phase(cos2, sin2) * 0.5
    return Flow(*cast(tuple[Plane, Plane], cv2.polarToCart(np.ones_like(angle), angle)))


def along_flow(plane: Plane, flow: Flow, sigma: float) -> Plane:
    """About a Gaussian of `sigma` along the flow, as line integral convolution (Cabral and Leedom, 1993).

    Three passes of three taps, wider from pass to pass (variance 2/3 Σ step² = σ²): six look-ups, where a traced line
    needs dozens, and no sense of direction to keep, since both ways are taken alike.
    """
    x, y = columns(plane.shape[1]), rows(plane.shape[0])
    for step in (0.30 * sigma, 0.60 * sigma, 1.03 * sigma):
        dx, dy = flow.x * step, flow.y * step
        ahead = cv2.remap(plane, x + dx, y + dy, LINEAR, borderMode=EDGE)
        behind = cv2.remap(plane, x - dx, y - dy, LINEAR, borderMode=EDGE)
        plane = (plane + ahead + behind) * (1 / 3)
    return plane


def line_response(lightness: Plane, flow: Flow, sigma: float, along: float) -> Plane:
    """Difference of Gaussians `sigma` wide smoothed along the flow: < 0 on dark lines, > 0 on bright ridges."""
    h, w = lightness.shape
    if sigma < 2 or min(h, w) < 64:
        return along_flow(blur(lightness, sigma) - 0.985 * blur(lightness, 1.6 * sigma), flow, along)
    half_w, half_h = w // 2, h // 2  # wide lines lose nothing at half size
    half_flow = Flow(*(np.ascontiguousarray(v[::2, ::2][:half_h, :half_w]) for v in (flow.x, flow.y)))
    half = line_response(resize(lightness, half_w, half_h, AREA), half_flow, sigma / 2, along / 2)
    return resize(half, w, h, CUBIC)


def long_lines(lines: Plane, length: float, threshold: float = 0.3) -> Plane:
    """Weights 0..1 that fade connected pieces of a line map of small extent; long contours stay whole."""
    _count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (lines > threshold).astype(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    extent = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]).astype(np.float32)
    keep = smoothstep(extent, length * 0.55, length * 1.3)
    keep[0] = 0
    weights = cv2.dilate(keep[labels], np.ones((3, 3), np.uint8))
    return cast(Plane, cv2.blur(weights, (3, 3)))
