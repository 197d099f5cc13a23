"""What Pillow does: Lanczos, WebP, grey files, CMYK and colour profiles.

Import it late, where it is needed: most photos need none of it, and Pillow would take a hundredth of a cut-out's time.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from perkie_cli.domain.picture import QUALITY, ImageFormat
from perkie_cli.imaging.decoders.pixels import Pixels, Samples
from perkie_cli.imaging.raster import Raster
from perkie_cli.imaging.sizes import scaled

_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # ICC.1 colour space signature → Pillow mode


def resize(raster: Raster, long_side: int) -> Raster:
    """``raster`` with that long side in px (Lanczos, both ways), weighted by alpha so that no fringe is born."""
    size = scaled(raster.width, raster.height, long_side)
    if size == (raster.width, raster.height):
        return raster
    return from_pillow(to_pillow(raster).resize(size, Image.Resampling.LANCZOS))


def to_pillow(raster: Raster) -> Image.Image:
    """RGB, or RGBA where there is alpha."""
    image = Image.fromarray(raster.rgb)
    if raster.alpha is not None:
        image.putalpha(Image.fromarray(raster.alpha))
    return image


def from_pillow(image: Image.Image) -> Raster:
    """The raster of an RGB or RGBA image in sRGB."""
    if image.mode != "RGBA":
        return Raster(np.asarray(image))
    return Raster(np.asarray(image.convert("RGB")), np.asarray(image.getchannel("A")))


def over_white(raster: Raster) -> Image.Image:
    """RGB, composed over white."""
    image = Image.fromarray(raster.rgb)
    if raster.alpha is None:
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=Image.fromarray(raster.alpha))
    return white


def webp(raster: Raster, quality: int) -> bytes:
    """A WebP file."""
    out = io.BytesIO()
    to_pillow(raster).save(out, "WEBP", quality=quality, method=4)
    return out.getvalue()


def grey(plane: NDArray[np.uint8], kind: ImageFormat) -> bytes:
    """A JPEG or PNG file of one channel."""
    out = io.BytesIO()
    options = {"quality": QUALITY} if kind is ImageFormat.JPEG else {"compress_level": 1}
    Image.fromarray(plane).save(out, "JPEG" if kind is ImageFormat.JPEG else "PNG", **options)
    return out.getvalue()


def resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """At another size: channel by channel, without Pillow's copies of the whole picture; weighted by alpha."""
    colour, alpha = pixels.colour, pixels.alpha
    planes = [colour] if colour.ndim == 2 else [colour[..., channel] for channel in range(colour.shape[2])]
    small = [_small(plane, alpha, size) for plane in planes]
    if alpha is None:
        return replace(pixels, colour=_stacked(small))
    weighted = Image.merge("RGBa" if len(small) == 3 else "La", (*small, _small(alpha, None, size)))
    *plain, small_alpha = weighted.convert(weighted.mode.upper()).split()
    return replace(pixels, colour=_stacked(plain), alpha=np.asarray(small_alpha))


def _small(plane: NDArray[Any], alpha: NDArray[np.uint8] | None, size: tuple[int, int]) -> Image.Image:
    whole = np.ascontiguousarray(plane) if alpha is None else cv2.multiply(plane, alpha, scale=1 / 255)
    view = Image.frombuffer("L", whole.shape[::-1], whole, "raw", "L", 0, 1)  # not a copy
    return view.resize(size, Image.Resampling.LANCZOS)


def _stacked(planes: Sequence[Image.Image]) -> NDArray[np.uint8]:
    return np.asarray(planes[0]) if len(planes) == 1 else np.stack([np.asarray(plane) for plane in planes], -1)


def rgb_of_cmyk(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """By ink coverage."""
    return np.asarray(_image(colour).convert("RGB"))


def by_profile(colour: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8] | None:
    """In sRGB (h, w, 3), by an ICC profile: relative colorimetric with black-point compensation; None where the profile
    cannot be used.
    """
    try:
        return _transformed(colour, profile)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, LookupError, AttributeError):
        return None


def _transformed(colour: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = _MODES[source.profile.xcolor_space.strip()]
    if colour.ndim == 2 and mode == "RGB":  # a grey picture under an RGB profile is read as RGB
        colour = np.repeat(colour[..., None], 3, axis=2)
    if mode != _mode(colour):
        raise ValueError(f"a {mode} profile on a {_mode(colour)} image")
    transform = ImageCms.ImageCmsTransform(
        source,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        mode,
        "RGB",
        intent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if mode == "RGB" and _changes_nothing(transform):
        return colour  # most profiles are sRGB; converting all pixels would be the slowest step of decoding
    return np.asarray(transform.apply(_image(colour)))


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether 125 sample colours stay the same within one level."""
    levels = (0, 64, 128, 192, 255)
    before = bytes(value for r in levels for g in levels for b in levels for value in (r, g, b))
    after = transform.apply(Image.frombytes("RGB", (125, 1), before)).tobytes()
    return all(abs(a - b) <= 1 for a, b in zip(before, after, strict=True))


def _image(colour: Samples) -> Image.Image:
    """L, RGB or CMYK by the number of channels."""
    if _mode(colour) == "CMYK":
        return Image.frombytes("CMYK", (colour.shape[1], colour.shape[0]), colour.tobytes())
    return Image.fromarray(colour)


def _mode(colour: Samples) -> str:
    return "L" if colour.ndim == 2 else {3: "RGB", 4: "CMYK"}[colour.shape[2]]
