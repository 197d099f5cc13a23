"""Colour management: whatever profile a picture carries, sRGB comes out."""

from __future__ import annotations

import io

from PIL import Image, ImageCms

UNREADABLE_PROFILE = "its colour profile could not be used; colours are taken as sRGB"
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # ICC.1 colour space signature → Pillow mode


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str | None]:
    """An L, RGB or CMYK image in RGB, and a note when its ICC profile had to be ignored.

    Relative colorimetric with black-point compensation, as image editors do. CMYK without a profile is converted
    by ink coverage (Pillow has already turned Adobe's inverted values).
    """
    if not profile:
        return image.convert("RGB"), None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES[source.profile.xcolor_space.strip()]
        if mode != image.mode:
            image = _as_profiled(image, mode)
        return _transform(image, source), None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, LookupError, AttributeError):
        return image.convert("RGB"), UNREADABLE_PROFILE


def _as_profiled(image: Image.Image, mode: str) -> Image.Image:
    """A grey picture under an RGB profile is read as RGB; any other mismatch means a wrong profile."""
    if image.mode == "L" and mode == "RGB":
        return image.convert("RGB")
    raise ValueError(f"a {mode} profile on a {image.mode} image")


def _transform(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    transform = ImageCms.ImageCmsTransform(
        source,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        image.mode,
        "RGB",
        intent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if image.mode == "RGB" and _changes_nothing(transform):
        return image  # most profiles are sRGB; the pass over all pixels is the slowest step of a decode
    return transform.apply(image)


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a lattice of 125 colours comes out as it went in, within a level."""
    levels = (0, 64, 128, 192, 255)
    before = bytes(value for r in levels for g in levels for b in levels for value in (r, g, b))
    after = transform.apply(Image.frombytes("RGB", (125, 1), before)).tobytes()
    return all(abs(a - b) <= 1 for a, b in zip(before, after, strict=True))
