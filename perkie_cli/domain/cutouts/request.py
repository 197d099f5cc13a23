"""A request to remove a background: the photo, the new background and the framing."""

from __future__ import annotations

import re
from enum import StrEnum

from perkie_cli.domain.errors import InvalidParameter, UsageError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.domain.pictures.request import CacheUse

_MAX_MARGIN = 100.0  # percent of the subject's long side
_MAX_RATIO = 10  # of an aspect's sides
_COLOUR = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_ASPECT = re.compile(r"(\d{1,4})\s*[:/x]\s*(\d{1,4})")


class CutoutOutput(StrEnum):
    """What the answer shows: the cut-out or its mask."""

    RGBA = "rgba"
    MASK = "mask"  # alpha as a grey picture: white is the subject


class BackgroundKind(StrEnum):
    """What can be put behind the subject."""

    TRANSPARENT = "transparent"
    COLOUR = "colour"
    BLUR = "blur"  # the old background out of focus
    PICTURE = "picture"


@frozen
class Background:
    """``colour`` is sRGB 0..255; ``picture`` is scaled to cover the canvas."""

    kind: BackgroundKind = BackgroundKind.TRANSPARENT
    colour: tuple[int, int, int] = (255, 255, 255)
    picture: Photo | None = None

    @classmethod
    def parse(cls, text: str) -> Background:
        """Reads ``transparent``, ``blur``, ``#RRGGBB`` or ``#RGB``.

        Raises: InvalidParameter.
        """
        plain = text.strip().lower()
        if plain in (BackgroundKind.TRANSPARENT, BackgroundKind.BLUR):
            return cls(BackgroundKind(plain))
        match = _COLOUR.fullmatch(plain)
        if match is None:
            raise InvalidParameter(
                f"background {text[:60]!r} is not known",
                hint="Use transparent, blur, a colour such as #ffffff, or the path of a picture.",
            )
        digits = match[1] if len(match[1]) == 6 else "".join(digit * 2 for digit in match[1])
        red, green, blue = bytes.fromhex(digits)
        return cls(BackgroundKind.COLOUR, (red, green, blue))

    @classmethod
    def of_picture(cls, picture: Photo) -> Background:
        """A picture as the background: any format that perkie reads, any size."""
        return cls(BackgroundKind.PICTURE, picture=picture)


@frozen
class Framing:
    """Where the edges of the result are: the subject's box or the whole picture, plus a margin, grown to an aspect.

    ``margin`` is in percent of the box's long side, on every side; ``aspect`` is width to height. The canvas only
    grows to reach the aspect, so the subject is never cut off.
    """

    trim: bool = False
    margin: float = 0.0
    aspect: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= _MAX_MARGIN:
            raise InvalidParameter(f"margin {self.margin:g} is not between 0 and {_MAX_MARGIN:g} percent")

    @property
    def is_plain(self) -> bool:
        """Whether the whole picture is kept as it is."""
        return not self.trim and self.margin == 0 and self.aspect is None


def parse_aspect(text: str) -> tuple[int, int]:
    """Reads an aspect: ``4:5`` → (4, 5).

    Raises: InvalidParameter.
    """
    match = _ASPECT.fullmatch(text.strip())
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not width or not height or max(width, height) > _MAX_RATIO * min(width, height):
        raise InvalidParameter(
            f"aspect {text[:30]!r} is not W:H within 1:{_MAX_RATIO} and {_MAX_RATIO}:1", hint="For example 1:1 or 4:5."
        )
    return width, height


@frozen
class CutoutRequest:
    """One photo to cut out.

    ``engine`` is ``auto``, ``inspyrenet``, ``builtin`` or ``remote``, ``mode`` is ``base`` or ``fast``; None uses the
    settings. ``fallback``: use the builtin engine when another fails. ``cover_setup``: also when our own set-up is at
    fault (a refused key): a customer cannot fix that, while an engineer should see the error. ``strict`` turns low
    confidence into an error. ``deadline`` is in seconds, None uses the engine's own.
    """

    photo: Photo
    engine: str | None = None
    mode: str | None = None
    output: CutoutOutput = CutoutOutput.RGBA
    background: Background = Background()
    framing: Framing = Framing()
    format: ImageFormat = ImageFormat.PNG
    cache: CacheUse = CacheUse.NORMAL
    fallback: bool = True
    cover_setup: bool = True
    strict: bool = False
    deadline: float | None = None

    def __post_init__(self) -> None:
        check_result(self.output, self.background, self.format)


def check_result(output: CutoutOutput, background: Background, kind: ImageFormat) -> None:
    """Checks that the format can hold the requested result.

    Raises: UsageError.
    """
    transparent = output is CutoutOutput.RGBA and background.kind is BackgroundKind.TRANSPARENT
    if transparent and not kind.has_alpha:
        raise UsageError(f"{kind.value} has no transparency", hint="Use png or webp, or name a background colour.")
    if output is CutoutOutput.MASK and background.kind is not BackgroundKind.TRANSPARENT:
        raise UsageError("a mask has no background", hint="Leave the background out, or ask for rgba.")
