"""Reads size, orientation, frames and alpha from the header of each format, without decoding a pixel.

JPEG, PNG and WebP are parsed here, since opening them with a library already allocates (WebP) or warns; HEIF is
opened by libheif, which reads boxes only.
"""

from __future__ import annotations

from collections.abc import Callable

from perkie_cli.domain.photo import InputFormat
from perkie_cli.imaging.containers import heif, jpeg, png, webp
from perkie_cli.imaging.containers.header import Header
from perkie_cli.imaging.damage import Damage


def read_header(data: bytes, kind: InputFormat) -> Header:
    """The header of ``data``, which begins as a ``kind`` does.

    Raises: Damage where the reason is known, Unsupported; on hostile bytes nearly anything else.
    """
    return _PARSERS[kind](data)


def _heif(data: bytes) -> Header:
    """libheif applies the container's own rotation; its EXIF orientation is informative only (ISO/IEC 23008-12)."""
    import pillow_heif

    heif.check(data)
    try:
        opened = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
        image = opened[opened.primary_index]
        return Header(*image.size, frames=1, has_alpha=image.has_alpha)
    except (RuntimeError, OSError, SyntaxError, EOFError, TypeError) as error:
        raise Damage("its container does not read") from error


_PARSERS: dict[InputFormat, Callable[[bytes], Header]] = {
    InputFormat.JPEG: jpeg.header,
    InputFormat.PNG: png.header,
    InputFormat.WEBP: webp.header,
    InputFormat.HEIF: _heif,
}
