"""The frame of a portrait: the pet with some room, in a shape that prints are sold in."""

import math

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.local.scene.pet import Pet

SHAPES = (4 / 5, 1.0, 5 / 4)  # width over height
ROOM = 0.14  # of the pet's longer side
LITTLE = 0.5  # of that beside a long pet, which would look lost in any of the shapes
GRAZED = 0.03  # of the pet's width along the upper or lower border: an ear or a leg would end in a ruled line
HEADROOM = 1.15  # of that above; the rest below
LEAST, MOST = 340, 0.75  # px of the photo, but not more than that share of it: a small pet is not blown up to mush


@frozen
class Frame:
    """A rectangle in px of the photo; it may reach beyond it."""

    left: int
    top: int
    right: int
    bottom: int


def frame_pet(pet: Pet, scale: float, *, within: bool) -> Frame:
    """The frame of a portrait in a photo that is `scale` times the pet's map.

    Room on every free side, none where the photo cut the pet; widened to the nearest of the shapes, free sides first.
    ``within``: it stays inside the photo.
    """
    h, w = pet.map.shape
    x0, y0, x1, y1 = pet.extent()
    left, top, right, bottom = pet.cuts()
    _, grazed_top, _, grazed_bottom = pet.cuts(GRAZED)
    top, bottom = top or grazed_top, bottom or grazed_bottom
    room = ROOM * max(x1 - x0, y1 - y0)
    beside = room * (LITTLE if x1 - x0 > SHAPES[-1] * (y1 - y0) else 1)
    x = (0.0 if left else x0 - beside, float(w) if right else x1 + beside)
    y = (0.0 if top else y0 - HEADROOM * room, float(h) if bottom else y1 + (2 - HEADROOM) * room)
    wide, tall = x[1] - x[0], y[1] - y[0]
    shape = min(SHAPES, key=lambda s: abs(math.log(s * tall / wide)))
    least = min(LEAST / scale, MOST * min(w, h))
    wide, tall = max(wide, tall * shape), max(tall, wide / shape)
    larger = max(1.0, least / min(wide, tall))
    x = _grown(x, larger * wide, w, (left or within, right or within))
    y = _grown(y, larger * tall, h, (top or within, bottom or within))
    return Frame(round(x[0] * scale), round(y[0] * scale), round(x[1] * scale), round(y[1] * scale))


def _grown(span: tuple[float, float], wanted: float, size: int, closed: tuple[bool, bool]) -> tuple[float, float]:
    """The span extended to `wanted`; at a closed side of 0..size it is shifted inside before it is shortened."""
    low, high = span
    more = max(0.0, wanted - (high - low))
    low -= more / 2
    high += more / 2
    if closed[0] and low < 0:
        low, high = 0.0, high - low
    if closed[1] and high > size:
        low, high = low - (high - size), float(size)
    return (max(low, 0.0) if closed[0] else low), high
