"""Prepares a photo for painting: its frame, the pet's matte, and whether the background stays."""

from typing import cast

import cv2
import numpy as np

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.looks import Look
from perkie_cli.engines.local.planes import AREA, Bytes, to_bytes
from perkie_cli.engines.local.scene.framing import Frame, frame_pet
from perkie_cli.engines.local.scene.pet import MAP_SIDE, Pet, find_pet
from perkie_cli.engines.local.scene.subject import OPAQUE, Backdrop
from perkie_cli.engines.local.scene.surroundings import are_calm
from perkie_cli.engines.u2net.mount import without_mount
from perkie_cli.imaging.raster import Raster, at_full_strength

MISSING = 0.1  # share of a pet that may lie outside its matte: with more, the background stays
SURE = 0.5  # trust from which the map decides the frame


@frozen
class Composition:
    """A framed photo with the pet's matte as alpha; without alpha there is no reliable matte."""

    raster: Raster
    background: Backdrop


def compose(raster: Raster, look: Look, replaces: float, relies: float = SURE) -> Composition:
    """The composition for a look.

    ``replaces``, ``relies``: trust in the pet's map from which `auto` may replace the background, and from which the
    map is better than a soft guess.
    """
    if raster.alpha is not None:
        raster = Raster(raster.rgb, at_full_strength(raster.alpha))
    if raster.alpha is not None and int(raster.alpha.min()) <= OPAQUE:
        pet = _cut_out(raster.alpha)
        return Composition(raster if pet is None else _framed(raster, pet, look, within=False), Backdrop.GONE)
    photo = Raster(_unmounted(raster.rgb) if look.crop else raster.rgb)
    pet = find_pet(photo.rgb)
    if pet is None or (pet.trust < relies and look.background != "replace"):
        return Composition(photo, Backdrop.KEPT)
    background = choose_background(photo.rgb, pet, look.background, replaces)
    matte = to_bytes(pet.attached if background is Backdrop.REPLACED else pet.matte)
    matte = cast(Bytes, cv2.resize(matte, (photo.width, photo.height), interpolation=cv2.INTER_LINEAR))
    matted = Raster(photo.rgb, matte)
    if pet.trust < SURE and background is Backdrop.KEPT:
        return Composition(matted, background)
    return Composition(_framed(matted, pet, look, within=background is Backdrop.KEPT), background)


def _unmounted(rgb: Bytes) -> Bytes:
    inside = without_mount(rgb)
    return np.ascontiguousarray(rgb[inside])


def choose_background(rgb: Bytes, pet: Pet, wanted: str, replaces: float) -> Backdrop:
    """What `auto`, `keep` or `replace` means for the pet of an (h, w, 3) photo."""
    if wanted == "auto":
        fits = pet.trust >= replaces and pet.pieces == 1 and _is_whole(pet) and not pet.hangs and not are_calm(rgb, pet)
        wanted = "replace" if fits else "keep"
    return Backdrop.REPLACED if wanted == "replace" else Backdrop.KEPT


def _is_whole(pet: Pet) -> bool:
    """Whether the whole head is there, cut by the border at most at the bottom and one side, and little is in doubt."""
    left, top, right, _bottom = pet.cuts()
    return not top and not (left and right) and pet.missing < MISSING


def _cut_out(alpha: Bytes) -> Pet | None:
    """The pet of a cut-out picture; None if nothing of it is left."""
    h, w = alpha.shape
    scale = min(1.0, MAP_SIDE / max(h, w))
    small = cv2.resize(alpha, (max(1, round(w * scale)), max(1, round(h * scale))), interpolation=AREA)
    map_ = small.astype(np.float32) * (1 / 255)
    return Pet(map_, 1.0, np.zeros_like(map_)) if (map_ > 0.5).any() else None


def _framed(raster: Raster, pet: Pet, look: Look, *, within: bool) -> Raster:
    if not look.crop:
        return raster
    frame = frame_pet(pet, raster.width / pet.map.shape[1], within=within)
    assert raster.alpha is not None
    inside = slice(max(0, frame.top), frame.bottom), slice(max(0, frame.left), frame.right)
    around = _around(frame, raster)
    rgb = cv2.copyMakeBorder(np.ascontiguousarray(raster.rgb[inside]), *around, cv2.BORDER_REPLICATE)
    alpha = cv2.copyMakeBorder(np.ascontiguousarray(raster.alpha[inside]), *around, cv2.BORDER_CONSTANT, value=0)
    return Raster(cast(Bytes, rgb), cast(Bytes, alpha))


def _around(frame: Frame, raster: Raster) -> tuple[int, int, int, int]:
    """How far the frame reaches beyond the photo: above, below, left and right."""
    beyond = -frame.top, frame.bottom - raster.height, -frame.left, frame.right - raster.width
    above, below, left, right = (max(0, length) for length in beyond)
    return above, below, left, right
