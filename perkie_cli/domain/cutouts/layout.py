"""How a cut-out is laid out on its canvas, in the terms of the remove.bg API: region, crop, scale, position."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Length:
    """``value`` px, or percent of a whole."""

    value: float
    percent: bool = False

    def of(self, whole: float) -> float:
        """In px, where the whole has that many."""
        return self.value * whole / 100 if self.percent else self.value


NO_MARGINS = (Length(0),) * 4


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle as shares of the picture's width and height, 0 to 1: ``right`` and ``bottom`` are its far edges."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


@dataclass(frozen=True, slots=True)
class Layout:
    """The steps in their order.

    The picture is shrunk to ``max_pixels``, what lies outside ``region`` is taken for background, the canvas is
    cropped to the subject and its ``margins`` (top, right, bottom, left), and the subject is scaled to ``scale`` (a
    share of the canvas) and put at ``position`` (shares of the room around it, 0 is left or top; None: where it was).
    """

    max_pixels: float
    region: Region = Region()
    crop: bool = False
    margins: tuple[Length, Length, Length, Length] = NO_MARGINS
    scale: float | None = None
    position: tuple[float, float] | None = None

    @property
    def moves(self) -> bool:
        """Whether the subject is put elsewhere than it was."""
        return self.scale is not None or self.position is not None
