"""Whether what is around the pet is calm: a plain wall, the dark, a view out of focus. A painting can keep that."""

import cv2
import numpy as np

from perkie_cli.engines.local.planes import AREA, Bytes, Plane, resize
from perkie_cli.engines.local.scene.pet import Pet
from perkie_cli.imaging.sizes import shrunk

SIDE = 512  # px on the long side
BESIDE, AROUND = 15, 160  # px of SIDE: the matte's own edge does not count, nor what is far from the pet
STEEP = 0.02  # change of lightness a pixel that is drawn as a line
FEW = 0.16  # share of the surroundings that may be so steep


def are_calm(rgb: Bytes, pet: Pet) -> bool:
    """Whether few lines are seen around the pet of an (h, w, 3) photo; not where it leaves no room."""
    size = shrunk(rgb.shape[1], rgb.shape[0], SIDE)
    matte = resize(pet.matte, *size, AREA)
    near = cv2.distanceTransform((matte <= 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= AROUND / 2
    around = near & (cv2.dilate(matte, np.ones((BESIDE, BESIDE), np.uint8)) < 0.1)
    if not around.any():
        return False
    small = np.asarray(cv2.resize(rgb, size, interpolation=AREA), np.uint8)
    return float((_steepness(small)[around] > STEEP).mean()) < FEW


def _steepness(rgb: Bytes) -> Plane:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) * (1 / 255)
    slopes = (cv2.Scharr(grey, -1, *way, scale=1 / 32) for way in ((1, 0), (0, 1)))
    return np.asarray(cv2.GaussianBlur(cv2.magnitude(*slopes), (0, 0), 1), np.float32)
