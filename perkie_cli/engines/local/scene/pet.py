"""What is known of the pet in a photo: its map, how far to trust it, and where the photo's border cut it."""

import hashlib
import threading
from collections import OrderedDict

import cv2
import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.planes import AREA, Bytes, Plane, disc, resize
from perkie_cli.engines.u2net.network import SubjectNetwork
from perkie_cli.engines.u2net.subject import find_subject
from perkie_cli.engines.u2net.weights import read_weights
from perkie_cli.imaging.sizes import shrunk

MAP_SIDE = 1024  # px on the long side
TOUCH = 0.12  # of the pet's extent along a border: it is cut there
PIECES_SIDE, PIECE = 128, 0.03  # px, where a thread no longer joins; share of the largest piece
LOWEST, POINT, LARGE = 0.08, 0.4, 0.33  # of the pet's height, of its width, of the photo
HALO = 0.08  # of the map's long side: how wide the soft edge of a doubtful part is
REMEMBERED = 4  # photos


@frozen(eq=False)
class Pet:
    """A pet found in a photo. ``map`` is (h, w), 0..1; ``trust`` 0..1, 0.5 where a limit is just met.

    ``doubt`` (h, w), 0..1, is what the map leaves out although it may belong to the pet.
    """

    map: Plane
    trust: float
    doubt: Plane

    @property
    def matte(self) -> Plane:
        """What a painting keeps: the map and what is in doubt."""
        return np.maximum(self.map, self.doubt)

    @property
    def attached(self) -> Plane:
        """The matte without what is in doubt and lies apart from the map: on paper it would float."""
        _, labels = cv2.connectedComponents((self.matte > 0.5).astype(np.uint8), connectivity=8)
        apart = np.isin(labels, np.unique(labels[self.map > 0.5]), invert=True) & (labels > 0)
        if not apart.any():
            return self.matte
        around = cv2.dilate(apart.astype(np.uint8), disc(HALO * max(self.map.shape))) > 0
        return np.where(around, self.map, self.matte)

    @property
    def missing(self) -> float:
        """How much of the pet the map may lack, as a share of what it has."""
        return float(self.doubt.sum()) / max(float(self.map.sum()), 1.0)

    def extent(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 of the map."""
        x, y = (np.flatnonzero((self.map > 0.5).any(axis)) for axis in (0, 1))
        return int(x[0]), int(y[0]), int(x[-1]) + 1, int(y[-1]) + 1

    def cuts(self, least: float = TOUCH) -> tuple[bool, bool, bool, bool]:
        """Whether the photo's left, upper, right and lower border cut the pet, over `least` of its extent there."""
        solid = self.map > 0.5
        x0, y0, x1, y1 = self.extent()
        strips = solid[y0:y1, :3], solid[:3, x0:x1].T, solid[y0:y1, -3:], solid[-3:, x0:x1].T
        left, top, right, bottom = (bool(strip.any(1).mean() > least) for strip in strips)
        return left, top, right, bottom

    @property
    def hangs(self) -> bool:
        """Whether a large pet ends in one narrow point, as one does that something in front of it covers."""
        solid = self.map > 0.5
        _, y0, _, y1 = self.extent()
        lowest = solid[round(y1 - LOWEST * (y1 - y0)) : y1].any(0)
        feet = int(np.count_nonzero(np.diff(lowest.astype(np.int8), prepend=0) > 0))
        narrow = feet == 1 and float(lowest.sum()) < POINT * float(solid.any(0).sum())
        return narrow and float(solid.mean()) > LARGE and not self.cuts()[3]

    @property
    def pieces(self) -> int:
        """How many parts of it lie apart; specks do not count."""
        small = resize(self.map, *shrunk(self.map.shape[1], self.map.shape[0], PIECES_SIDE), AREA)
        _, _, stats, _ = cv2.connectedComponentsWithStats((small > 0.5).astype(np.uint8), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        return int((areas >= PIECE * areas.max(initial=1)).sum())


_ahead: list[SubjectNetwork] = []  # read, but never run: small
_reading = threading.Lock()
_recent: OrderedDict[bytes, Pet | None] = OrderedDict()
_one_at_a_time = threading.Lock()


def find_pet(rgb: Bytes) -> Pet | None:
    """The pet of an (h, w, 3) photo, None where there is none; looked for once for all styles of a photo.

    Raises: BrokenInstall.
    """
    h, w = rgb.shape[:2]
    small = np.asarray(cv2.resize(rgb, shrunk(w, h, MAP_SIDE), interpolation=AREA), np.uint8)
    key = hashlib.sha256(f"{small.shape}".encode() + small.tobytes()).digest()
    with _one_at_a_time:
        if key not in _recent:
            _recent[key] = _look(small)
            if len(_recent) > REMEMBERED:
                _recent.popitem(last=False)
        _recent.move_to_end(key)
        return _recent[key]


def _look(rgb: Bytes) -> Pet | None:
    """Finds the pet with a network of its own, freed at once: kept, it would save a twentieth of a picture's time, and
    take 90 MB more of every process that draws.
    """
    found = find_subject(rgb, _network())
    if not (found.map > 0.5).any():
        return None
    h, w = found.map.shape
    return Pet(found.map, found.confidence.value, np.clip(resize(found.doubt, w, h), 0, 1))


def read_ahead(weights: bytes) -> None:
    """Prepares the network of these weights for the next photo."""
    with _reading:
        _ahead[:] = [SubjectNetwork(weights)]


def _network() -> SubjectNetwork:
    with _reading:
        return _ahead.pop() if _ahead else SubjectNetwork(read_weights())
