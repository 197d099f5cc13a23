"""The arithmetic of sizes in pixels."""

from __future__ import annotations

from perkie_cli.domain.photo import Inspection


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
