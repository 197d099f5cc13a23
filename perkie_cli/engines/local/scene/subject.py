"""Where the pet is: its alpha when there is one, else a deliberately soft map that fades and never cuts.

Hard segmentation (GrabCut) loses ears and chins on close-ups that fill the frame, as pet photos often do. The soft map
is a centre prior × focus × distance from the border's colours at 96 px, sharpened by two rounds of a smoothed Bayes
ratio on Lab histograms and brought up along the picture's edges by a guided filter.
"""

from enum import Enum
from typing import cast

import cv2
import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.planes import (
    AREA,
    CUBIC,
    Bytes,
    Ints,
    Picture,
    Plane,
    columns,
    guided_filter,
    resize,
    rows,
    smoothstep,
)
from perkie_cli.engines.local.scene.cuts import dissolve_cuts
from perkie_cli.imaging.raster import thrice

OPAQUE = 250  # alpha above which nothing is cut out
MAP_SIDE = 96
BINS = 12


class Backdrop(Enum):
    """What happens to the background behind the subject."""

    KEPT = "kept"  # the matte only says where the subject is
    REPLACED = "replaced"  # by the style's own, with the photo at hand for the colours of the ground
    GONE = "gone"  # cut out before: under the matte there is nothing to see


@frozen
class Scene:
    """The input of a style: the colours, the subject's position, and what happens to the background."""

    rgb: Picture  # of a cut-out: the subject's own colours continued under and beyond its soft edge
    subject: Plane
    cut_out: bool  # the background is replaced
    known: bool  # the subject's outline is one to rely on: a matte, not the soft guess
    photo: Picture | None  # as it came, where there is anything behind the subject

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.rgb.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.rgb.shape[1])

    @property
    def scale(self) -> float:
        """1 for a picture of 1024 px on its long side; every length of a style is multiplied by it."""
        return max(self.height, self.width) / 1024

    def samples(self, x: Plane, threshold: float = 0.6) -> Plane:
        """Every fourth pixel of `x` that is on the subject (all, where nearly nothing is): for statistics."""
        sparse = x[::4, ::4]
        chosen = sparse[self.subject[::4, ::4] > threshold]
        return chosen if len(chosen) > 100 else sparse.reshape(-1, *x.shape[2:])

    def centre(self) -> tuple[float, float]:
        """The subject's centre of mass (x, y) in pixels."""
        sparse = self.subject[::8, ::8]
        total = float(sparse.sum()) + 1e-3
        x = float((sparse * columns(self.width)[:, ::8]).sum()) / total
        y = float((sparse * rows(self.height)[::8]).sum()) / total
        return x, y

    def coverage(self) -> float:
        """The share of the picture that the subject takes."""
        return float(self.subject[::8, ::8].mean())


def read_scene(rgb: Bytes, matte: Bytes | None, background: Backdrop = Backdrop.GONE) -> Scene:
    """The scene of an (h, w, 3) picture and its (h, w) matte; an opaque matte counts as none."""
    colours = rgb.astype(np.float32) * (1 / 255)
    if matte is None or int(matte.min()) > OPAQUE:
        return Scene(colours, estimate_subject(colours), cut_out=False, known=False, photo=colours)
    subject = matte.astype(np.float32) * (1 / 255)
    if background is Backdrop.KEPT:
        return Scene(colours, subject, cut_out=False, known=True, photo=colours)
    photo = colours if background is Backdrop.REPLACED else None
    return Scene(continue_colours(colours, subject), dissolve_cuts(subject), cut_out=True, known=True, photo=photo)


def continue_colours(rgb: Picture, matte: Plane) -> Picture:
    """Subject colours under and beyond the soft edge of a matte."""
    h, w = matte.shape
    filled = resize(fill_around(rgb, matte), w, h)
    filled += (rgb - filled) * thrice(smoothstep(matte, 0.6, 0.99))
    return filled


def fill_around(rgb: Picture, matte: Plane) -> Picture:
    """The colours under the matte continued everywhere, at quarter size: push-pull (Gortler et al., 1996)."""
    h, w = matte.shape
    quarter = (-(-w // 4), -(-h // 4))
    weight = smoothstep(resize(matte, *quarter, AREA), 0.5, 0.98)[..., None]
    levels = [np.concatenate([resize(rgb, *quarter, AREA) * weight, weight], 2)]
    while min(levels[-1].shape[:2]) > 4:
        height, width = levels[-1].shape[:2]
        levels.append(resize(levels[-1], round(width / 2), round(height / 2), AREA))
    pulled = levels.pop()
    for level in reversed(levels):
        coarse = resize(pulled, level.shape[1], level.shape[0])
        sum_ = level + coarse * (1 - level[..., 3:])
        opacity = np.clip(sum_[..., 3:], 0, 1)
        pulled = np.concatenate([sum_[..., :3] / np.maximum(sum_[..., 3:], 1e-4) * opacity, opacity], 2)
    return cast(Picture, np.clip(pulled[..., :3] / np.maximum(pulled[..., 3:], 1e-3), 0, 1))


def estimate_subject(rgb: Picture) -> Plane:
    """The soft subject map of a photo without alpha."""
    h, w = rgb.shape[:2]
    scale = MAP_SIDE / max(h, w)
    width, height = max(8, round(w * scale)), max(8, round(h * scale))
    mid = resize(rgb, width * 4, height * 4, AREA)
    lab = cast(Plane, cv2.cvtColor(resize(mid, width, height, AREA), cv2.COLOR_RGB2LAB))
    prior = _centre_prior(height, width)
    focus = _focus(mid, height, width)
    first = smoothstep(prior * (0.55 + 0.5 * focus + 0.35 * _unlike_border(lab, focus)), 0.16, 0.62)
    return _follow_edges(rgb, _sharpen_by_colour(lab, first))


def _centre_prior(height: int, width: int) -> Plane:
    """High in the middle and below it: a pet's body mostly leaves the picture at the bottom."""
    dx, dy = (columns(width) - width / 2) / (width * 0.56), (rows(height) - height * 0.52) / (height * 0.6)
    dy = np.where(dy > 0, 0.6 * dy, dy)
    return cast(Plane, np.exp(-1.1 * (dx * dx + dy * dy)))


def _focus(mid: Picture, height: int, width: int) -> Plane:
    """Local sharpness, 0..1."""
    grey = cast(Plane, cv2.cvtColor(mid, cv2.COLOR_RGB2GRAY))
    fine = resize(np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1.5)), width, height, AREA)
    sharp = cast(Plane, cv2.GaussianBlur(np.sqrt(fine), (0, 0), max(width, height) / 16))
    return cast(Plane, (sharp - sharp.min()) / (sharp.max() - sharp.min() + 1e-6))


def _unlike_border(lab: Picture, focus: Plane) -> Plane:
    """Mahalanobis distance from the colours along the top and the sides, 0..1; what is sharp there may be the pet."""
    height, width = lab.shape[:2]
    band = max(2, width // 14)
    border = np.zeros((height, width), bool)
    border[:band] = border[:, :band] = border[:, -band:] = True
    colours, weight = lab[border], 1.02 - focus[border]
    mean = np.average(colours, axis=0, weights=weight)
    precision = np.linalg.inv(np.cov(colours.T, aweights=weight) + np.eye(3) * 30)
    difference = lab - mean
    distance = np.sqrt(np.einsum("ijk,kl,ijl->ij", difference, precision, difference)).astype(np.float32)
    return cast(Plane, cv2.GaussianBlur(np.clip(distance / 3, 0, 1), (0, 0), max(width, height) / 20))


def _sharpen_by_colour(lab: Picture, first: Plane) -> Plane:
    """Two rounds of Bayes: colours commoner inside than outside raise the probability."""
    side = max(first.shape)
    bins = _colour_bins(lab)
    prior_odds = np.log((first * 0.94 + 0.03) / (0.97 - first * 0.94))
    p = first
    for _ in range(2):
        inside, outside = _colour_histogram(bins, p * p), _colour_histogram(bins, (1 - p) ** 2)
        ratio = np.log((inside + 2e-4) / (outside + 2e-4))[bins].astype(np.float32)
        ratio = cast(Plane, cv2.GaussianBlur(np.clip(ratio, -2.5, 2.5), (0, 0), side / 60))
        p = 1 / (1 + np.exp(-(prior_odds + 1.1 * ratio)))
        p = cast(Plane, cv2.GaussianBlur(p.astype(np.float32), (0, 0), side / 70))
    return cast(Plane, p * 0.9 + 0.1 * first)


def _colour_bins(lab: Picture) -> Ints:
    """The number of each pixel's cell in a 12³ grid; a and b are stretched to fill it."""
    q = lab * np.array([1 / 100, 1.6 / 128, 1.6 / 128], np.float32) + np.array([0, 0.5, 0.5], np.float32)
    cell = np.clip((q * BINS).astype(np.int32), 0, BINS - 1)
    return cast(Ints, (cell[..., 0] * BINS + cell[..., 1]) * BINS + cell[..., 2])


def _colour_histogram(bins: Ints, weight: Plane) -> Plane:
    """Share of the weight in each cell, smoothed over neighbouring cells."""
    cells = np.bincount(bins.ravel(), weight.ravel(), BINS**3).reshape(BINS, BINS, BINS)
    for axis in range(3):
        cells = 0.5 * cells + 0.25 * np.roll(cells, 1, axis) + 0.25 * np.roll(cells, -1, axis)
    return cast(Plane, (cells / (cells.sum() + 1e-9)).ravel())


def _follow_edges(rgb: Picture, p: Plane) -> Plane:
    """The small map at full size, its borders drawn to those of the picture."""
    h, w = rgb.shape[:2]
    half_w, half_h = max(8, w // 2), max(8, h // 2)
    grey = resize(cast(Plane, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)), half_w, half_h, AREA)
    up = guided_filter(grey, resize(p, half_w, half_h, CUBIC), max(4, max(h, w) // 40), 1e-3)
    return np.clip(resize(up, w, h, CUBIC), 0, 1)
