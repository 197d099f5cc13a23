"""Fibre paper, ink that soaks into it, and the paw seal."""

import math
from typing import Final, cast

import cv2
import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.noise import fractal_noise, stream, unit, white_noise
from perkie_cli.engines.local.planes import AREA, Picture, Plane, blur, resize

ABSORPTION: Final = (1.16, 1.11, 1.03)  # of ink in R G B: pine soot is slightly warm when thin
FIBRE_SHADE: Final = (0.05, 0.06, 0.075)
PAW: Final = (  # x, y, half axes and tilt in degrees, in shares of the seal: the pad and four toes
    (0.50, 0.64, 0.190, 0.155, 0),
    (0.27, 0.47, 0.072, 0.100, -22),
    (0.42, 0.30, 0.075, 0.110, -8),
    (0.58, 0.30, 0.075, 0.110, 8),
    (0.73, 0.47, 0.072, 0.100, 22),
)
ON_THE_PET: Final = 0.5
CORNERS: Final = ((0.0, 1, 1), (0.02, 0, 1), (0.05, 1, 0), (0.06, 0, 0))  # handicap, right, lower


@frozen
class Paper:
    """A sheet, each (h, w)."""

    tooth: Plane  # roughness, about unit variance
    fibres: Plane  # 0..1
    cloud: Plane  # slow unevenness of the lightness


def make_paper(height: int, width: int, scale: float, seed: int) -> Paper:
    """A sheet of its own for each seed."""
    rng = stream(seed, "paper")
    fine = blur(white_noise(rng, height, width), 0.8 * scale)
    tooth = 0.55 * unit(fine) + 0.45 * fractal_noise(rng, height, width, 9 * scale, 2)
    fibres = _fibres(rng, height, width, scale)
    return Paper(tooth, fibres, 0.012 * fractal_noise(rng, height, width, 200 * scale, 2))


def _fibres(rng: np.random.Generator, height: int, width: int, scale: float) -> Plane:
    """Short bent threads."""
    n = max(1, round(height * width / (2600 * scale * scale)))
    x, y, angle = rng.uniform(0, width, n), rng.uniform(0, height, n), rng.uniform(0, np.pi, n)
    length, bend = scale * rng.uniform(8, 46, n), rng.normal(0, 0.35, n)
    t = np.linspace(-0.5, 0.5, 5)[None]
    angle = angle[:, None] + bend[:, None] * t
    reach = length[:, None] * t
    points = np.stack([x[:, None] + reach * np.cos(angle), y[:, None] + reach * np.sin(angle)], -1)
    sheet = np.zeros((height, width), np.uint8)
    cv2.polylines(sheet, list((points * 8).astype(np.int32)), False, 150, max(1, round(scale)), cv2.LINE_AA, 3)
    return blur(sheet.astype(np.float32) * (1 / 255), 0.7 * scale)


def soak(ink: Plane, paper: Paper, tint: str) -> Picture:
    """The sheet of colour `tint` (#rrggbb) with ink of that density on it (Beer-Lambert)."""
    sheet = 1 + 0.010 * paper.tooth + paper.cloud
    parts = zip(colour(tint), FIBRE_SHADE, ABSORPTION, strict=True)
    channels = [(float(base) * sheet - fibre * paper.fibres) * cv2.exp(ink * (-1.35 * k)) for base, fibre, k in parts]
    return cast(Picture, cv2.merge(channels))


def colour(text: str) -> Plane:
    """(3,) 0..1 from #rrggbb."""
    return np.array(list(bytes.fromhex(text[1:])), np.float32) / 255


def press_seal(picture: Picture, occupied: Plane, subject: Plane, paper: Paper, tint: str) -> None:
    """Stamp the paw into the emptiest corner of `picture` (`occupied`, (h, w)); not at all where all are the pet's."""
    h, w = occupied.shape
    side = max(12, int(min(0.056 * math.sqrt(h * w), 0.16 * min(h, w))))
    x, y = _emptiest_corner(occupied, side, int(0.06 * min(h, w)))
    stamp = _paw(side)[: h - y, : w - x]
    place = (slice(y, y + side), slice(x, x + side))
    if float(subject[place].mean()) > ON_THE_PET:
        return
    tooth = paper.tooth[place]
    cover = np.clip(stamp * (0.93 + 0.22 * np.minimum(0, 0.9 - tooth)), 0, 1)[..., None]
    picture[place] += (colour(tint) * (1 + 0.03 * tooth[..., None]) - picture[place]) * cover


def _emptiest_corner(occupied: Plane, side: int, margin: int) -> tuple[int, int]:
    """x, y of the seal; ties go to the lower right."""
    h, w = occupied.shape
    around = side // 2

    def place(corner: tuple[float, int, int]) -> tuple[float, int, int]:
        handicap, right, lower = corner
        x = max(0, w - margin - side) if right else min(margin, max(0, w - side))
        y = max(0, h - margin - side) if lower else min(margin, max(0, h - side))
        near = occupied[max(0, y - around) : y + side + around, max(0, x - around) : x + side + around]
        return float(near.mean()) + handicap, x, y

    return min(map(place, CORNERS))[1:]


def _paw(side: int) -> Plane:
    """(side, side) cover of a square stamp with rounded corners and the paw left free."""
    large = side * 4
    stamp = np.zeros((large, large), np.uint8)
    cv2.rectangle(stamp, (int(large * 0.05),) * 2, (int(large * 0.95),) * 2, 255, -1)
    stamp = ((cv2.GaussianBlur(stamp, (0, 0), large * 0.03) > 120) * 255).astype(np.uint8)
    for x, y, half_x, half_y, tilt in PAW:
        centre, axes = (int(x * large), int(y * large)), (int(half_x * large), int(half_y * large))
        cv2.ellipse(stamp, centre, axes, tilt, 0, 360, 0, -1, cv2.LINE_AA)
    return resize(cast(Plane, stamp), side, side, AREA).astype(np.float32) / 255
