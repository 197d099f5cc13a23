"""Where the subject of a picture is, at full resolution, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perkie_cli.engines.u2net.confidence import HALF, Confidence, assess, nothing_found, sees_subject
from perkie_cli.engines.u2net.network import SIDE, SubjectNetwork, shared_network
from perkie_cli.engines.u2net.refine import refine
from perkie_cli.engines.u2net.tidy import tidy
from perkie_cli.imaging.framing import Box, subject_box

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_ROOMS = 0.15, 0.5  # of the subject's long side, around it on the second look; more where that cuts it
_SMALL = 0.6  # of the picture: a subject that needs less of it is looked at again, closer
_BELIEVED = 0.9  # a second look that peaks lower knows less than the first


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """``alpha`` is uint8 (h, w) of the picture, all 0 where there is no subject.

    ``coarse`` is what the network said of the whole picture, float32 (320, 320), before anything was stretched or
    refined.
    """

    alpha: Bytes
    coarse: Floats
    confidence: Confidence

    @property
    def map(self) -> Floats:
        """``alpha`` as float32 of 0..1."""
        return self.alpha.astype(np.float32) / np.float32(255)


def find_subject(rgb: Bytes, network: SubjectNetwork | None = None) -> Subject:
    """The subject of a uint8 (h, w, 3) picture. Deterministic; safe to call from several threads.

    Raises: BrokenInstall when the shipped weights are missing or changed.
    """
    network = network or shared_network()
    coarse = network.map(rgb)
    alpha = np.zeros(rgb.shape[:2], np.uint8)
    if not sees_subject(coarse):
        return Subject(alpha, coarse, nothing_found(coarse))
    view = _look_closer(rgb, coarse, network)
    alpha[view.place] = refine(view.rgb, tidy(view.coarse))
    mirrored = network.map(np.ascontiguousarray(view.rgb[:, ::-1]), SIDE // 2)[:, ::-1]
    return Subject(alpha, coarse, assess(view.coarse, mirrored, view.share))


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """The part of the picture that is matted, what the network says of it, and its share of the picture's area."""

    rgb: Bytes
    place: tuple[slice, slice]
    coarse: Floats
    share: float


def _look_closer(rgb: Bytes, coarse: Floats, network: SubjectNetwork) -> _View:
    """The surroundings of a small subject, looked at again; else the whole picture."""
    height, width = rgb.shape[:2]
    for room in _ROOMS:
        box = _surroundings(coarse, height, width, room)
        share = box.width * box.height / (width * height)
        if share > _SMALL:
            break
        place = slice(box.top, box.bottom), slice(box.left, box.right)
        part = np.ascontiguousarray(rgb[place])
        closer = network.map(part)
        if closer.max() < _BELIEVED:
            break
        if not _cuts(box, closer > HALF, height, width):
            return _View(part, place, closer, share)
    return _View(rgb, (slice(0, height), slice(0, width)), coarse, 1.0)


def _surroundings(map_: Floats, height: int, width: int, room: float) -> Box:
    """Of the subject, in px of the picture, of a map of any size."""
    rows, columns = map_.shape
    found = subject_box(np.asarray(map_ > HALF, np.uint8) * np.uint8(255)) or Box(0, 0, columns, rows)
    x, y = width / columns, height / rows
    around = round(room * max(found.width * x, found.height * y))
    return Box(
        max(0, int(found.left * x) - around),
        max(0, int(found.top * y) - around),
        min(width, math.ceil(found.right * x) + around),
        min(height, math.ceil(found.bottom * y) + around),
    )


def _cuts(box: Box, subject: NDArray[np.bool_], height: int, width: int) -> bool:
    """Whether the subject, seen within the box, goes on beyond it inside the picture."""
    inside = box.top > 0, box.bottom < height, box.left > 0, box.right < width
    edges = subject[0], subject[-1], subject[:, 0], subject[:, -1]
    return any(within and bool(edge.any()) for within, edge in zip(inside, edges, strict=True))
