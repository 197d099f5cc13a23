"""JPEG, by libjpeg-turbo itself (simplejpeg): Pillow and OpenCV keep its warnings from us, and they are all that tells
of a picture of which a part is missing. Such a part comes out grey, shifted or in wrong colours.
"""

from __future__ import annotations

import math
import re
from functools import partial
from itertools import product

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from perkie_cli.imaging.containers.jpeg import Jpeg, parts
from perkie_cli.imaging.damage import Damage
from perkie_cli.imaging.decoders.pixels import Pixels

DAMAGED = "its picture data is damaged: a part of it may look wrong"

_SPACES = {1: "GRAY", 3: "RGB", 4: "CMYK"}
_COEFFICIENTS = 64
_LEFT_OVER = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_PADDING = 64  # zeros that some cameras write behind the last pixel
_STRAY = 0.01  # share of the coded data that a fault leaves over at most; a size that is not the picture's leaves more
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_BRIDGED = 2  # lost restart markers over which libjpeg finds its way again
_BEARABLE = 0.1  # share of a picture that may be damaged
_MISFIT = "its header does not fit its picture data"


def decode(data: bytes, size: tuple[int, int], least: tuple[int, int]) -> Pixels:
    """The picture of ``size`` px, or in the least eighths of it that are not smaller than ``least``.

    Raises: Damage, when much of it may be missing; ValueError, when it does not decode.
    """
    jpeg = parts(data)
    _check_coverage(jpeg)
    reduced = next(each for each in map(partial(_eighths, size), range(1, 9)) if _covers(each, least) or each == size)
    _check_size(jpeg, size)
    note = None
    try:
        colour = _samples(jpeg, reduced, strict=True)
    except ValueError as warning:
        note = _consequence(jpeg, size, str(warning))
        colour = _samples(jpeg, reduced, strict=False)
    return Pixels(colour, profile=jpeg.profile, notes=(note,) if note else ())


def _eighths(size: tuple[int, int], count: int) -> tuple[int, int]:
    """A size that libjpeg can decode to right away."""
    return math.ceil(size[0] * count / 8), math.ceil(size[1] * count / 8)


def _covers(size: tuple[int, int], least: tuple[int, int]) -> bool:
    return size[0] >= least[0] and size[1] >= least[1]


def _samples(jpeg: Jpeg, size: tuple[int, int], *, strict: bool) -> NDArray[np.uint8]:
    """Raises: ValueError with libjpeg's own words, for warnings too where ``strict``."""
    space = _SPACES[len(jpeg.components)]
    samples: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        jpeg.file(), space, min_width=size[0], min_height=size[1], strict=strict
    )
    if space == "CMYK" and jpeg.is_adobe:
        return np.invert(samples, out=samples)
    return samples[..., 0] if space == "GRAY" else samples


def _check_coverage(jpeg: Jpeg) -> None:
    """A progressive file may have been cut between two scans, of which libjpeg says nothing. Raises: Damage."""
    missing_bits: dict[tuple[int, int], int] = {}
    for scan in jpeg.scans:
        sent = range(scan.first, scan.last + 1) if jpeg.is_progressive else range(_COEFFICIENTS)
        for component, coefficient in product(scan.components, sent):
            missing_bits[component, coefficient] = scan.missing_bits if jpeg.is_progressive else 0
    if len(missing_bits) < _COEFFICIENTS * len(jpeg.components) or any(missing_bits.values()):
        raise Damage("the picture data ends too early")


def _consequence(jpeg: Jpeg, size: tuple[int, int], warning: str) -> str | None:
    """A note where libjpeg's warning speaks of little, nothing where of nothing. Raises: Damage where it may speak of
    much: without restart markers all behind a fault is shifted.
    """
    left_over = _LEFT_OVER.search(warning)
    if left_over:
        coded, count = jpeg.scans[-1].coded, int(left_over[1])
        if _has_more(coded, count):
            raise Damage(_MISFIT)
        return None if _is_padding(coded, count) else DAMAGED
    if not (jpeg.is_ended and _is_confined(jpeg, size)):
        raise Damage("the picture data ends too early or is damaged")
    return DAMAGED


def _check_size(jpeg: Jpeg, size: tuple[int, int]) -> None:
    """Raises: Damage for fewer bits than blocks need, and for more restart markers than they have."""
    across, down = _units(jpeg, size)
    least = across * down * len(jpeg.components) * (1 if jpeg.is_progressive else 2)  # a Huffman code has a bit
    if not jpeg.is_arithmetic and 8 * sum(len(scan.coded) for scan in jpeg.scans) < least:
        raise Damage("the picture data ends too early")
    if len(jpeg.scans) == 1 and jpeg.scans[0].restart_interval and _lost_intervals(jpeg, size) < -_BRIDGED:
        raise Damage(_MISFIT)


def _has_more(coded: bytes, left_over: int) -> bool:
    """Whether so much is left over that there must be more of the picture than its header says."""
    return left_over > _PADDING + _STRAY * len(coded) and any(coded.rstrip(b"\xff")[-left_over:])


def _is_padding(coded: bytes, left_over: int) -> bool:
    """Whether these last bytes are no part of the picture. After a fault other bytes are left over: what should have
    been its last blocks. libjpeg does not count fill bytes.
    """
    return left_over <= _PADDING and not any(coded.rstrip(b"\xff")[-left_over:])


def _is_confined(jpeg: Jpeg, size: tuple[int, int]) -> bool:
    """Whether restart markers keep the damage to a small part of a picture of one scan."""
    if len(jpeg.scans) > 1 or not jpeg.scans[0].restart_interval:
        return False
    lost = _lost_intervals(jpeg, size)
    return lost <= _BRIDGED and lost + 1 <= _BEARABLE * _intervals(jpeg, size)


def _lost_intervals(jpeg: Jpeg, size: tuple[int, int]) -> int:
    return _intervals(jpeg, size) - 1 - len(_RESTART.findall(jpeg.scans[0].coded))


def _units(jpeg: Jpeg, size: tuple[int, int]) -> tuple[int, int]:
    """How many units of the scan with all components are in a row and in a column."""
    across, down = (math.ceil(side / (8 * factor)) for side, factor in zip(size, jpeg.sampling, strict=True))
    return across, down


def _intervals(jpeg: Jpeg, size: tuple[int, int]) -> int:
    across, down = _units(jpeg, size)
    return math.ceil(across * down / jpeg.scans[0].restart_interval)
