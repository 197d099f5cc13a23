"""How a cut-out is laid out on its canvas, in the terms of the remove.bg API: region, crop, scale, position."""

from __future__ import annotations

from perkie_cli.domain.frozen import frozen


@frozen
class Length:
    """``value`` px, or percent of a whole."""

    value: float
    percent: bool = False

    def of(self, whole: float) -> float:
        """The length in px, when the whole is ``whole`` px."""
        return self.value * whole / 100 if self.percent else self.value


NO_MARGINS = (Length(0),) * 4


@frozen
class Region:
    """A rectangle as shares of the picture's width and height, 0 to 1: ``right`` and ``bottom`` are its far edges."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


@frozen
class Layout:
    """The layout of a cut-out. The steps run in this order:

    1. The picture is shrunk to ``max_pixels``.
    2. Everything outside ``region`` counts as background.
    3. The canvas is cropped to the subject plus ``margins`` (top, right, bottom, left).
    4. The subject is scaled to ``scale``, a share of the canvas.
    5. It is moved to ``position``: shares of the free space around it, 0 is left or top; None leaves it in place.
    """

    max_pixels: float
    region: Region = Region()
    crop: bool = False
    margins: tuple[Length, Length, Length, Length] = NO_MARGINS
    scale: float | None = None
    position: tuple[float, float] | None = None

    @property
    def moves(self) -> bool:
        """Whether the subject is moved or scaled."""
        return self.scale is not None or self.position is not None
