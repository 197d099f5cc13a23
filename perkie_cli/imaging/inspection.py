"""Checks an upload against the limits, from its header alone."""

from __future__ import annotations

from perkie_cli.domain.errors import TooManyBytes, TooManyPixels, TooSmall
from perkie_cli.domain.photo import InputFormat, Inspection
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.units import format_size
from perkie_cli.imaging.containers.header import Header
from perkie_cli.imaging.damage import Damage, damage_named
from perkie_cli.imaging.headers import read_header
from perkie_cli.imaging.sniff import sniff


def inspect(data: bytes, limits: ImageLimits, source: str = "image") -> Inspection:
    """Recognises ``data`` and checks it against ``limits``; no pixel is decoded. ``source`` names it in messages.

    Raises: UnreadableFile, NotAnImage, TooManyBytes, CorruptImage, TooManyPixels, TooSmall.
    """
    if len(data) > limits.max_bytes:
        raise TooManyBytes(
            f"{source} has {format_size(len(data))}; at most {format_size(limits.max_bytes)} are accepted",
            hint="Send a smaller copy.",
        )
    kind = sniff(data, source)
    with damage_named(source, "its header does not read"):
        seen = _upright(kind, read_header(data, kind))
    _check_sides(seen, limits, source)
    return seen


def _upright(kind: InputFormat, header: Header) -> Inspection:
    width, height = header.width, header.height
    if min(width, height) == 0:
        raise Damage("its header gives no size")
    if header.orientation >= 5:  # 5 to 8 lie on their side
        width, height = height, width
    return Inspection(kind, width, height, header.frames, header.has_alpha, header.orientation)


def _check_sides(seen: Inspection, limits: ImageLimits, source: str) -> None:
    size = f"{source} is {seen.width} × {seen.height} px"
    least = f"at least {limits.min_side} px a side are needed"
    if seen.pixels > limits.max_pixels:
        raise TooManyPixels(
            f"{size}; at most {limits.max_pixels / 1e6:g} megapixels are accepted", hint="Send a smaller copy."
        )
    if min(seen.width, seen.height) < limits.min_side:
        raise TooSmall(f"{size}; {least}", hint="Send the picture at its full size.")
    width, height = shrunk(seen.width, seen.height, limits.max_side)
    if min(width, height) < min(limits.min_side, limits.max_side):
        raise TooSmall(f"{size}, {width} × {height} px when shrunk to fit; {least}", hint="Crop it to the pet.")


def shrunk(width: int, height: int, max_side: int) -> tuple[int, int]:
    """The size that fits into ``max_side`` with the same shape; unchanged when it does already."""
    if max(width, height) <= max_side:
        return width, height
    return scaled(width, height, max_side)


def pixels_held(seen: Inspection, max_side: int) -> int:
    """Pixels that stay in memory while the picture is worked on; decoding it takes more, for a moment."""
    width, height = shrunk(seen.width, seen.height, max_side)
    return width * height


def scaled(width: int, height: int, long_side: int) -> tuple[int, int]:
    """The size of the same shape with that long side; never under 1 px."""
    scale = long_side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))
