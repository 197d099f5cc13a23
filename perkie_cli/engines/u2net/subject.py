"""Where the subject of a picture is, at full resolution, and how sure that is.

A quick first pass on the mirror image finds its rough position and serves as a second opinion. The main pass then runs
on the surroundings of a small subject, or at a smaller size if the subject fills the picture, because at 320 px the
network often mistakes an eye or a nose for the subject.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.cutouts.result import Confidence
from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.u2net.confidence import HALF, area, assess, nothing_found, sees_subject, undecided
from perkie_cli.engines.u2net.doubt import in_doubt
from perkie_cli.engines.u2net.network import SIDE, SubjectNetwork, mirrored, shared_network
from perkie_cli.engines.u2net.refine import refine
from perkie_cli.engines.u2net.tidy import tidy
from perkie_cli.imaging.framing import Box, subject_box

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_GLANCE = 192  # px of the network's input; at 160, every tenth of 83 photos lost its subject or the trust in it
_CLOSE_UP = 224  # px of the network's input where the subject fills the picture
_FILLS = 0.35  # of the picture
_SMALL = 0.6  # of the picture: if the subject and its surroundings take less, the main pass runs on that part
_ROOMS = 0.15, 0.5  # of the subject's long side, around it; the second where the first cuts it
_CLEAR = 0.3  # of ``undecided``: a vaguer first pass does not locate the subject


@frozen(eq=False)
class Subject:
    """``alpha`` is uint8 (h, w) of the picture, all 0 where there is no subject.

    ``seen`` is the network's map of its ``place``.
    """

    alpha: Bytes
    confidence: Confidence
    seen: Floats
    place: tuple[slice, slice]

    @property
    def map(self) -> Floats:
        """``alpha`` as float32 of 0..1."""
        return self.alpha.astype(np.float32) / np.float32(255)

    @property
    def doubt(self) -> Floats:
        """float32 of 0..1, any size, of the whole picture: what lies outside, but may be part of the subject."""
        if not sees_subject(self.seen):
            return np.zeros((1, 1), np.float32)
        return in_doubt(self.seen, self.alpha, self.place)


def find_subject(rgb: Bytes, network: SubjectNetwork | None = None) -> Subject:
    """The subject of a uint8 (h, w, 3) picture. Deterministic; safe to call from several threads.

    Raises: BrokenInstall when the shipped weights are missing or changed.
    """
    network = network or shared_network()
    view = _look(rgb, mirrored(network, rgb, _GLANCE), network)
    alpha = np.zeros(rgb.shape[:2], np.uint8)
    if not sees_subject(view.map):
        return Subject(alpha, nothing_found(view.map), view.map, view.place)
    alpha[view.place] = refine(view.rgb, tidy(view.map))
    confidence = assess(
        view.map,
        view.glance,
        lambda: mirrored(network, view.rgb, view.map.shape[0]),
        view.rgb[..., 0].size / alpha.size,
    )
    return Subject(alpha, confidence, view.map, view.place)


@frozen(eq=False)
class _View:
    """The part of the picture that is matted, the network's map of it, and the first pass's map of it."""

    rgb: Bytes
    place: tuple[slice, slice]
    map: Floats
    glance: Floats


def _look(rgb: Bytes, glance: Floats, network: SubjectNetwork) -> _View:
    height, width = rgb.shape[:2]
    if undecided(glance) < _CLEAR:
        for room in _ROOMS:
            box = _surroundings(glance, height, width, room)
            if box.width * box.height > _SMALL * width * height:
                break
            view = _view(rgb, glance, box, SIDE, network)
            if not _cuts(box, view.map > HALF, height, width):
                return view
    whole = Box(0, 0, width, height)
    return _view(rgb, glance, whole, _CLOSE_UP if area(glance) > _FILLS else SIDE, network)


def _view(rgb: Bytes, glance: Floats, box: Box, side: int, network: SubjectNetwork) -> _View:
    place = slice(box.top, box.bottom), slice(box.left, box.right)
    part = np.ascontiguousarray(rgb[place])
    return _View(part, place, network.map(part, side), _part(glance, box, rgb.shape[0], rgb.shape[1]))


def _part(glance: Floats, box: Box, height: int, width: int) -> Floats:
    """The part of a whole-picture map inside the box."""
    y, x = glance.shape[0] / height, glance.shape[1] / width
    rows = slice(int(box.top * y), math.ceil(box.bottom * y))
    return glance[rows, int(box.left * x) : math.ceil(box.right * x)]


def _surroundings(map_: Floats, height: int, width: int, room: float) -> Box:
    """Of the subject, in px of the picture, of a map of any size that sees one."""
    rows, columns = map_.shape
    found = subject_box(np.asarray(map_ > HALF, np.uint8) * np.uint8(255))
    assert found is not None, "the map sees a subject"
    x, y = width / columns, height / rows
    around = round(room * max(found.width * x, found.height * y))
    return Box(
        max(0, int(found.left * x) - around),
        max(0, int(found.top * y) - around),
        min(width, math.ceil(found.right * x) + around),
        min(height, math.ceil(found.bottom * y) + around),
    )


def _cuts(box: Box, subject: NDArray[np.bool_], height: int, width: int) -> bool:
    """Whether the subject inside the box continues outside it within the picture."""
    inside = box.top > 0, box.bottom < height, box.left > 0, box.right < width
    edges = subject[0], subject[-1], subject[:, 0], subject[:, -1]
    return any(within and bool(edge.any()) for within, edge in zip(inside, edges, strict=True))
