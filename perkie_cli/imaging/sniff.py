"""Recognises a picture by its first bytes, never by its name. Imports no imaging library."""

from __future__ import annotations

import re

from perkie_cli.domain.errors import UnreadableFile
from perkie_cli.domain.photo import InputFormat
from perkie_cli.imaging.containers import png
from perkie_cli.imaging.damage import ACCEPTED, not_an_image

HEAD = 512  # bytes that are inspected

_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"mif3", b"msf1"}
)

# Other kinds that people send, so that the error can name them. Ordered: the first match wins.
_OTHERS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("a GIF image", re.compile(rb"GIF8[79]a")),
    (
        "a camera's raw photo",
        re.compile(
            rb"II\*\0.{4}CR\x02|IIR[OS]|MMOR|IIU\0|FUJIFILMCCD-RAW|\0MRM|FOVb|.{4}ftypcrx ", re.DOTALL
        ),  # the others look like TIFF
    ),
    ("a TIFF image", re.compile(rb"II\*\0|MM\0\*|II\+\0|MM\0\+")),
    ("a BMP image", re.compile(rb"BM.{4}\0\0\0\0", re.DOTALL)),
    ("an AVIF image", re.compile(rb".{4}ftyp.{0,48}avi[fs]", re.DOTALL)),
    ("a JPEG XL image", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ")),
    ("a JPEG 2000 image", re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51")),
    ("a JPEG XR image", re.compile(rb"II\xbc")),
    ("a Photoshop file", re.compile(rb"8BPS")),
    ("a GIMP file", re.compile(rb"gimp xcf")),
    ("an OpenEXR image", re.compile(rb"v/1\x01")),
    ("a Radiance HDR image", re.compile(rb"#\?R(ADIANC|GB)E")),
    ("a PNM image", re.compile(rb"P[1-7]\s")),
    ("a QOI image", re.compile(rb"qoif")),
    ("a DDS texture", re.compile(rb"DDS ")),
    ("an icon file", re.compile(rb"\0\0[\1\2]\0(?!\0\0)|icns")),  # how many pictures it holds is never zero
    # Without a signature: no colour map, or one of 8 to 32 bits an entry; then 8 to 32 bits a pixel.
    (
        "a TGA image",
        re.compile(
            rb".(\0[\x02\x03\n\x0b]\0{5}|\x01[\x01\t].{4}[\x08\x0f\x10\x18\x20]).{8}[\x08\x0f\x10\x18\x20]", re.S
        ),
    ),
    ("a PDF document", re.compile(rb"\s*%PDF-")),
    (
        "an SVG drawing",
        re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg", re.S),
    ),
    ("a web page, not an image", re.compile(rb"\s*(<!doctype html|<html)", re.I)),
    ("a video", re.compile(rb".{4}ftyp|.{4}(moov|mdat|wide)|\x1a\x45\xdf\xa3|RIFF....AVI ", re.DOTALL)),
    ("a ZIP archive", re.compile(rb"PK\x03\x04")),
)


def sniff(data: bytes, source: str = "image") -> InputFormat:
    """The format of ``data`` by its content; ``source`` names it in messages.

    Raises: NotAnImage, naming the actual kind; UnreadableFile when it is empty.
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
    raise not_an_image(source, name)


def _is_heif(head: bytes) -> bool:
    """ISO/IEC 23008-12: a file type box whose brands name HEIC; ``mif1`` and its like also cover AVIF."""
    if head[4:8] != b"ftyp":
        return False
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))}
    return bool(brands & _HEIF_BRANDS) and not brands & {b"avif", b"avis", b"crx "}
