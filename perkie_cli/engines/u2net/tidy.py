"""Removes small errors of a coarse map: holes inside the subject, and specks away from it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_HOLE = 0.012  # of the subject's area: an eye or a name tag, not the ground seen between legs
_ISLAND = 0.06  # of the largest piece's area: smaller ones are specks
_LOW, _HIGH = 0.15, 0.85  # what the network means by 0 and 1


def tidy(coarse: Floats) -> Floats:
    """float32 (h, w) of 0..1, stretched; holes filled, specks dropped."""
    map_ = np.clip((coarse - _LOW) / (_HIGH - _LOW), 0, 1)
    solid = (map_ > 0.5).astype(np.uint8)
    kept = _without_specks(solid)
    near = cv2.dilate(kept, np.ones((3, 3), np.uint8), iterations=max(2, max(map_.shape) // 60))
    map_ *= cv2.GaussianBlur(near.astype(np.float32), (0, 0), 1)
    filled = cv2.GaussianBlur(_small_holes(kept).astype(np.float32), (3, 3), 0)
    return np.asarray(np.maximum(map_, filled), np.float32)


def _without_specks(solid: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # the ground
    return np.isin(labels, np.flatnonzero(areas >= max(1, _ISLAND * areas.max()))).astype(np.uint8)


def _small_holes(solid: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 where the ground is enclosed and small."""
    height, width = solid.shape
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - solid, connectivity=4)
    left, top, wide, high, area = stats.T
    enclosed = (left > 0) & (top > 0) & (left + wide < width) & (top + high < height)
    small = enclosed & (area <= _HOLE * solid.sum())
    small[0] = False  # the subject itself
    return np.isin(labels, np.flatnonzero(small)).astype(np.uint8)
