"""The parameters of the remove.bg API, as its documentation defines them (https://www.remove.bg/api).

Unknown, malformed and unsupported parameters are refused with that API's own error codes, never ignored.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

from perkie_cli.domain.cutouts.layout import NO_MARGINS, Layout, Length, Region
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.http.answer.problems import MalformedBody
from perkie_cli.http.request.fields import Fields, Upload, picture_of
from perkie_cli.services.cutouts.laid_out import FileKind, Order

T = TypeVar("T")
MEGAPIXEL = 1_000_000.0
FAST = frozenset({"preview", "small", "regular"})  # the sizes for which the fast network is good enough
_SMALLER = {**dict.fromkeys(FAST, 0.25), "medium": 1.5, "hd": 4.0}  # megapixels
_WHOLE = ("full", "4k", "50mp", "auto")
_MOST = {FileKind.JPG: 25.0, FileKind.ZIP: 25.0}  # megapixels; all others:
_MOST_OTHER = 10.0
_TYPES = ("auto", "person", "product", "car", "animal", "transportation", "graphics", "other")
_TYPE_LEVELS = ("none", "1", "2", "latest")
_TRUE, _FALSE = ("true", "1"), ("false", "0")
_LENGTH = re.compile(r"(\d{1,5}(?:\.\d{1,3})?)(px|%)")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)%")
_HEX = re.compile(r"#?((?:[0-9a-f]{3,4}){1,2})")
_SOURCES = ("image_file", "image_file_b64", "image_url")
_BACKGROUNDS = ("bg_color", "bg_image_url", "bg_image_file")
_FILES = ("image_file", "bg_image_file")
_MOST_MARGIN = Length(500), Length(50, percent=True)
KNOWN = frozenset({
    *_SOURCES, *_BACKGROUNDS, *("size", "type", "type_level", "format", "channels", "roi", "crop", "crop_margin"),
    *("scale", "position", "add_shadow", "shadow_type", "shadow_opacity", "shadow_method", "semitransparency"),
})  # fmt: skip


class RemovebgError(InvalidParameter):
    """A request that the remove.bg API would also refuse; ``removebg_code`` is its error code."""

    http_status = 400

    def __init__(self, removebg_code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.removebg_code = removebg_code

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.removebg_code, self.message, self.hint)


@frozen
class RemovebgRequest:
    """A parsed request. ``order`` lacks its region and ``backdrop``, because these need the decoded picture.

    ``type`` is the answer's name for the foreground; None: left out.
    """

    upload: Upload
    fast: bool
    order: Order
    backdrop: Upload | None
    region: tuple[Length, Length, Length, Length] | None
    type: str | None


def parse(fields: Fields, max_image: int) -> RemovebgRequest:
    """Parses the body.

    Raises: RemovebgError, TooManyBytes.
    """
    _check_names(fields)
    values = {name: _text(name, value) for name, value in fields.values.items()}
    _check_not_made(values)
    upload = _source(fields, values, max_image)
    kind = _choice(values, "format", {each.value: each for each in FileKind}, FileKind.AUTO)
    mask = _choice(values, "channels", {"rgba": False, "alpha": True}, False)
    colour, backdrop = _background(fields, values)
    if mask and (colour or backdrop):
        raise RemovebgError("invalid_channels", "an alpha mask has no background", "Leave channels or bg_… out.")
    size = _choice(values, "size", {each: each for each in (*_SMALLER, *_WHOLE)}, "preview")
    return RemovebgRequest(
        upload=upload,
        fast=size in FAST,
        order=Order(_layout(values, size, kind), kind, colour, mask=mask),
        backdrop=backdrop,
        region=_region(values.get("roi", "")),
        type=_type(values),
    )


def within(region: tuple[Length, Length, Length, Length] | None, width: int, height: int) -> Region:
    """The region of interest in a picture of that size. Raises: RemovebgError."""
    if region is None:
        return Region()
    x1, y1, x2, y2 = (each.of(side) for each, side in zip(region, (width, height) * 2, strict=True))
    if x2 > width or y2 > height:
        raise RemovebgError(
            "roi_exceeds_bounds", f"roi extends beyond the picture's {width} × {height} px", "Use percent."
        )
    if x2 - x1 < 1 or y2 - y1 < 1:
        raise RemovebgError(
            "roi_region_empty", "roi is an empty region", "It is x1 y1 x2 y2, with x1 < x2 and y1 < y2."
        )
    return Region(x1 / width, y1 / height, x2 / width, y2 / height)


def _check_names(fields: Fields) -> None:
    for name in (*fields.files, *fields.values):
        if name not in KNOWN:
            raise RemovebgError("unknown_parameter", f"there is no parameter {name[:60]!r}", did_you_mean(name, KNOWN))
    for name in fields.files:
        if name not in _FILES:
            raise RemovebgError(f"invalid_{name}", f"{name} is not a file")


def _text(name: str, value: Any) -> str:
    """A parameter as text. Blank means absent, as in that API. Numbers and booleans only come in JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        raise RemovebgError(f"invalid_{name}", f"{name}: one value is expected, but {len(value)} were sent")
    if not isinstance(value, str | int | float):
        raise RemovebgError(f"invalid_{name}", f"{name} is not a string")
    return value if isinstance(value, str) and name == "image_file_b64" else str(value).strip().lower()


def _check_not_made(values: dict[str, str]) -> None:
    """Refuses what this server does not support; ignores parameters that have no effect on pets in remove.bg either."""
    if values.get("image_url") or values.get("bg_image_url"):
        code = "failed_image_download" if values.get("image_url") else "failed_bg_download"
        raise RemovebgError(code, "this server does not fetch pictures from URLs", "Send the picture itself.")
    if _flag(values, "add_shadow"):
        raise RemovebgError("invalid_add_shadow", "shadows are not supported", "Leave add_shadow out.")
    for name in ("shadow_type", "shadow_method", "shadow_opacity"):
        if values.get(name, "") not in ("", "none"):
            raise RemovebgError(f"invalid_{name}", "shadows are not supported", f"Leave {name} out.")
    _flag(values, "semitransparency")


def _source(fields: Fields, values: dict[str, str], max_image: int) -> Upload:
    given = [name for name in _SOURCES if name in fields.files or values.get(name)]
    if len(given) > 1:
        raise RemovebgError("multiple_sources", f"{' and '.join(given)} were both given", "Send one picture.")
    try:
        upload = picture_of(fields, _SOURCES, max_image)
    except MalformedBody as error:
        raise RemovebgError("failed_to_read_image", error.message, error.hint) from error
    if upload is None:
        raise RemovebgError("missing_source", "no image was given", "Send image_file or image_file_b64.")
    return upload


def _background(fields: Fields, values: dict[str, str]) -> tuple[tuple[int, int, int, int] | None, Upload | None]:
    given = [name for name in _BACKGROUNDS if name in fields.files or values.get(name)]
    if len(given) > 1:
        raise RemovebgError("multiple_bg_sources", f"{' and '.join(given)} were both given", "Name one background.")
    if values.get("bg_image_file"):
        raise RemovebgError(
            "invalid_bg_image_file", "bg_image_file is not a file", "Send it as a part with a filename."
        )
    if "bg_image_file" in fields.files:
        return None, fields.files["bg_image_file"]
    return _colour(values.get("bg_color", "")), None


def _colour(text: str) -> tuple[int, int, int, int] | None:
    """Reads 3, 4, 6 or 8 hexadecimal digits (the last of 4 and 8 are the opacity), or a CSS colour name."""
    if not text:
        return None
    from PIL import ImageColor

    digits = _HEX.fullmatch(text)
    if digits is not None and len(digits[1]) in (3, 4, 6, 8):
        text = f"#{digits[1]}"
    elif text not in ImageColor.colormap:
        raise RemovebgError(
            "invalid_bg_color", f"bg_color {text[:30]!r} is not a colour", "For example 81d4fa or green."
        )
    red, green, blue, alpha = ImageColor.getcolor(text, "RGBA")  # type: ignore[misc]  # four numbers in this mode
    return red, green, blue, alpha


def _layout(values: dict[str, str], size: str, kind: FileKind) -> Layout:
    megapixels = _SMALLER.get(size, _MOST.get(kind, _MOST_OTHER))
    scale, position = _scale(values.get("scale", "")), values.get("position", "")
    return Layout(
        max_pixels=megapixels * MEGAPIXEL,
        crop=_flag(values, "crop"),
        margins=_margins(values.get("crop_margin", "")),
        scale=scale,
        position=_position(position or ("center" if scale is not None else "original")),
    )


def _scale(text: str) -> float | None:
    if text in ("", "original"):
        return None
    match = _PERCENT.fullmatch(text)
    if match is None or not 10 <= float(match[1]) <= 100:
        raise RemovebgError("invalid_scale", f"scale {text[:30]!r} is not original or 10% to 100%")
    return float(match[1]) / 100


def _position(text: str) -> tuple[float, float] | None:
    if text == "original":
        return None
    if text == "center":
        return 0.5, 0.5
    matches = [_PERCENT.fullmatch(each) for each in text.split()]
    shares = [float(match[1]) / 100 for match in matches if match is not None]
    if len(matches) not in (1, 2) or len(shares) < len(matches) or max(shares) > 1:
        raise RemovebgError(
            "invalid_position", f"position {text[:30]!r} is not original, center or one or two values of 0% to 100%"
        )
    return shares[0], shares[-1]


def _margins(text: str) -> tuple[Length, Length, Length, Length]:
    if text in ("", "0"):
        return NO_MARGINS
    given = _lengths(text)
    if given is None or len(given) not in (1, 2, 4) or any(each.value > _limit(each).value for each in given):
        raise RemovebgError(
            "invalid_crop_margin",
            f"crop_margin {text[:40]!r} is not one, two or four values such as 30px or 10%",
            "At most 500px or 50% per side.",
        )
    top, right, bottom, left = given if len(given) == 4 else (given[0], given[-1]) * 2
    return top, right, bottom, left


def _limit(margin: Length) -> Length:
    return next(most for most in _MOST_MARGIN if most.percent is margin.percent)


def _region(text: str) -> tuple[Length, Length, Length, Length] | None:
    if not text:
        return None
    given = _lengths(text)
    if given is None or len(given) != 4:
        raise RemovebgError("invalid_roi", f"roi {text[:40]!r} is not four values such as 10px or 50%: x1 y1 x2 y2")
    x1, y1, x2, y2 = given
    return x1, y1, x2, y2


def _lengths(text: str) -> list[Length] | None:
    matches = [_LENGTH.fullmatch(each if each != "0" else "0px") for each in text.split()]
    found = [Length(float(match[1]), match[2] == "%") for match in matches if match is not None]
    return found if found and len(found) == len(matches) else None


def _type(values: dict[str, str]) -> str | None:
    """The value of ``X-Type``. perkie does not distinguish kinds, so it is the requested one, or ``animal``."""
    wanted = _choice(values, "type", {each: each for each in _TYPES}, "auto")
    level = _choice(values, "type_level", {each: each for each in _TYPE_LEVELS}, "1")
    if level == "none":
        return None
    return "animal" if wanted == "auto" else wanted


def _flag(values: dict[str, str], name: str) -> bool:
    return _choice(values, name, {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}, False)


def _choice(values: dict[str, str], name: str, choices: dict[str, T], usual: T) -> T:
    given = values.get(name, "")
    if not given:
        return usual
    if given not in choices:
        raise RemovebgError(
            f"invalid_{name}", f"{name} {given[:30]!r} is not supported here", f"Use {', '.join(choices)}."
        )
    return choices[given]
