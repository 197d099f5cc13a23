"""Recognises a picture by its first bytes, never by its name. Imports no imaging library."""

from __future__ import annotations

import re
from enum import StrEnum

from perkie_cli.domain.errors import NotAnImage, UnreadableFile
from perkie_cli.imaging import png

ACCEPTED = "JPEG, PNG, WebP and HEIC"
HEAD = 512  # bytes that are looked at


class InputFormat(StrEnum):
    """What perkie reads."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    HEIF = "heif"

    @property
    def media_type(self) -> str:
        """The IANA media type."""
        return f"image/{self.value}"


_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})

# Kinds that people do send, so that the refusal can name them. Ordered: the first match wins.
_OTHERS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("a GIF image", re.compile(rb"GIF8[79]a")),
    ("a TIFF image", re.compile(rb"II\*\0|MM\0\*|II\+\0|MM\0\+")),
    ("a BMP image", re.compile(rb"BM.{4}\0\0\0\0", re.DOTALL)),
    ("an AVIF image", re.compile(rb".{4}ftyp.{0,48}avi[fs]", re.DOTALL)),
    ("a JPEG XL image", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ")),
    ("a JPEG 2000 image", re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51")),
    ("a Photoshop file", re.compile(rb"8BPS")),
    ("an icon file", re.compile(rb"\0\0[\1\2]\0")),
    ("a PDF document", re.compile(rb"\s*%PDF-")),
    (
        "an SVG drawing",
        re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg", re.S),
    ),
    ("a web page, not an image", re.compile(rb"\s*(<!doctype html|<html)", re.I)),
    ("a video", re.compile(rb".{4}ftyp|\x1a\x45\xdf\xa3|RIFF....AVI ", re.DOTALL)),
    ("a ZIP archive", re.compile(rb"PK\x03\x04")),
)


def sniff(data: bytes, source: str = "image") -> InputFormat:
    """The format of ``data`` by content; ``source`` is how messages name it.

    Raises: NotAnImage naming what it is instead; UnreadableFile when there is nothing.
    """
    if not data:
        raise UnreadableFile(f"{source} is empty", hint=f"Send a picture: {ACCEPTED} are read.")
    head = bytes(data[:HEAD])
    if head.startswith(b"\xff\xd8\xff"):
        return InputFormat.JPEG
    if head.startswith(png.SIGNATURE):
        return InputFormat.PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return InputFormat.WEBP
    if _is_heif(head):
        return InputFormat.HEIF
    name = next((name for name, pattern in _OTHERS if pattern.match(head)), "not an image that perkie knows")
    raise NotAnImage(f"{source} is {name}", hint=f"{ACCEPTED} are read; save it as one of these.")


def _is_heif(head: bytes) -> bool:
    """ISO/IEC 23008-12: a file type box whose brand names HEIC; ``mif1`` alone also covers AVIF."""
    if head[4:8] != b"ftyp":
        return False
    size = min(int.from_bytes(head[:4], "big"), len(head))
    compatible = {head[at : at + 4] for at in range(16, size - 3, 4)}
    if b"avif" in compatible | {head[8:12]}:
        return False
    return head[8:12] in _HEIF_BRANDS
