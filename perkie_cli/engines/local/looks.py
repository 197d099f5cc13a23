"""The parameters that a designer can vary in each style, with default, range and meaning.

Pure data on the standard library, so that listing styles is fast.
"""

from dataclasses import field
from typing import Any

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.pictures.style import BackgroundUse


@frozen
class Number:
    """A number within a range."""

    default: float
    low: float
    high: float
    help: str

    @property
    def allowed(self) -> str:
        """The range in words."""
        return f"a number from {self.low:g} to {self.high:g}"

    def accepts(self, value: object) -> bool:
        """Whether `value` is a number in the range (true and false are not numbers here)."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


@frozen
class Switch:
    """On or off."""

    default: bool
    help: str

    @property
    def allowed(self) -> str:
        """The values in words."""
        return "true or false"

    def accepts(self, value: object) -> bool:
        """Whether `value` is a boolean."""
        return isinstance(value, bool)


@frozen
class Colour:
    """A colour as #rrggbb."""

    default: str
    help: str

    @property
    def allowed(self) -> str:
        """The notation in words."""
        return 'a colour such as "#b3201a"'

    def accepts(self, value: object) -> bool:
        """Whether `value` is text of the form #rrggbb."""
        return isinstance(value, str) and len(value) == 7 and value[0] == "#" and set(value[1:].lower()) <= HEX_DIGITS


@frozen
class Choice:
    """One of a few names."""

    default: str
    names: tuple[str, ...]
    help: str

    @property
    def allowed(self) -> str:
        """The names in words."""
        return "one of " + ", ".join(self.names)

    def accepts(self, value: object) -> bool:
        """Whether `value` is one of the names."""
        return isinstance(value, str) and value in self.names


HEX_DIGITS = frozenset("0123456789abcdef")
Parameter = Number | Switch | Colour | Choice


def vary(parameter: Parameter) -> Any:
    """A dataclass field that carries its parameter's declaration."""
    return field(default=parameter.default, metadata={"parameter": parameter})


@frozen
class Portrait:
    """The parameters of every style."""

    background: str = vary(
        Choice(BackgroundUse.AUTO.value, tuple(BackgroundUse), "auto replaces it where nothing of the pet is missing")
    )
    crop: bool = vary(Switch(True, "frame the picture anew around the pet; off keeps the photo's own frame"))


@frozen
class BlackAndWhite(Portrait):
    """A darkroom print."""

    contrast: float = vary(Number(1.0, 0.5, 1.6, "depth of the modelling; below 1 softer, above 1 more dramatic"))
    backdrop: float = vary(Number(1.0, 0.0, 3.0, "brightness of the studio backdrop; 0 is black"))
    glow: float = vary(Number(1.0, 0.0, 2.0, "bloom of the highlights"))
    grain: float = vary(Number(1.0, 0.0, 3.0, "strength of the film grain"))
    vignette: float = vary(Number(1.0, 0.0, 1.5, "darkening towards the corners"))
    warmth: float = vary(Number(1.0, -2.0, 4.0, "tone of the paper: 0 neutral, above warm, below cold"))


@frozen
class VanGogh(Portrait):
    """Flowing impasto strokes before a night sky."""

    stroke_scale: float = vary(Number(1.0, 0.6, 1.8, "size of the brush; larger is bolder and shows less detail"))
    relief: float = vary(Number(1.0, 0.0, 2.0, "how thick the paint stands off the canvas"))
    colour: float = vary(Number(1.0, 0.4, 1.6, "intensity of the subject's colours"))
    contour: float = vary(Number(1.0, 0.0, 2.0, "dark outlines and bright whiskers"))
    palette: str = vary(Choice("starry_night", ("starry_night", "wheat_field", "almond_blossom"), "colours of the sky"))
    sky: float = vary(
        Number(1.0, 0.0, 1.0, "how far the sky replaces the background of a photo; a cut-out gets all of it")
    )
    stars: float = vary(Number(1.0, 0.0, 1.0, "light of the whirling stars"))


@frozen
class InkWash(Portrait):
    """Sumi-e: washes and brush lines on fibre paper."""

    ink: float = vary(Number(1.0, 0.4, 1.6, "density of all ink"))
    wash: float = vary(Number(1.0, 0.0, 1.5, "strength of the grey washes"))
    brush: float = vary(Number(1.0, 0.0, 1.5, "strength of contours and fur strokes"))
    splatter: float = vary(Number(1.0, 0.0, 4.0, "how many drops fell beside the picture; 0 for none"))
    paper: str = vary(Colour("#f6f1e4", "colour of the paper"))
    seal: bool = vary(Switch(True, "a paw seal in the emptiest corner"))
    seal_colour: str = vary(Colour("#bd2117", "colour of the seal"))


Look = BlackAndWhite | VanGogh | InkWash
