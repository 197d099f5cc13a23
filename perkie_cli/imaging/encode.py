"""Encodes a ``Raster``: progressive JPEG, WebP or PNG, in sRGB and without metadata."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.errors import InvalidParameter, Unavailable, out_of_memory
from perkie_cli.domain.picture import MASTER_QUALITY, QUALITY, EncodedPicture, ImageFormat, master_format
from perkie_cli.imaging.raster import Raster


def encode(raster: Raster, kind: ImageFormat, quality: int = QUALITY) -> EncodedPicture:
    """``raster`` as a file; alpha is composed over white if the format has none.

    ``quality`` (1 to 100) is for JPEG and WebP.

    Raises: InvalidParameter if the format cannot hold the picture; OutOfMemory; Unavailable if encoding fails.
    """
    check_fits(raster.width, raster.height, kind)
    with _answered(kind):
        data = _WRITERS[kind](raster, quality)
    return EncodedPicture(data, kind, raster.width, raster.height)


@contextmanager
def _answered(kind: ImageFormat) -> Iterator[None]:
    """Translates encoder errors: none is known for a supported size, but one must not surface as a bug."""
    try:
        yield
    except Exception as error:
        if too_little := out_of_memory(error, f"to write a {kind.value} picture"):
            raise too_little from error
        raise Unavailable(
            f"this picture could not be written as {kind.value}", hint="Choose another format."
        ) from error


def _jpeg(raster: Raster, quality: int) -> bytes:
    """By OpenCV: the same libjpeg-turbo and the same bytes as Pillow's, whose buffer for a progressive file is fixed
    at a byte a pixel: a dithered or grainy picture at quality 92 needs more, and fails.
    """
    # Over the usual quality the picture will be encoded again: its chroma stays whole.
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if quality > QUALITY else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    options = [
        *(cv2.IMWRITE_JPEG_QUALITY, quality),
        *(cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling),
    ]
    return _written(".jpg", cv2.cvtColor(_opaque(raster), cv2.COLOR_RGB2BGR), options)


def _opaque(raster: Raster) -> NDArray[np.uint8]:
    if raster.alpha is None:
        return raster.rgb
    from perkie_cli.imaging import pillow

    return np.asarray(pillow.over_white(raster))


def _webp(raster: Raster, quality: int) -> bytes:
    from perkie_cli.imaging import pillow  # late: see there

    return pillow.webp(raster, quality)


def _png(raster: Raster, _: int) -> bytes:
    """At zlib's quickest level and with one filter for all rows: a cut-out of 12 MP takes a sixth of Pillow's default
    time, for a tenth more bytes. Pillow cannot set the filter; ``average`` is best for photos and drawings.
    """
    planes = (*cv2.split(raster.rgb)[::-1], *(() if raster.alpha is None else (raster.alpha,)))
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG]
    return _written(".png", cv2.merge(planes), options)


def _written(ending: str, samples: NDArray[Any], options: Sequence[int]) -> bytes:
    done, data = cv2.imencode(ending, samples, options)
    if not done:
        raise ValueError(f"OpenCV wrote no {ending}")
    return data.tobytes()


_WRITERS: dict[ImageFormat, Callable[[Raster, int], bytes]] = {
    ImageFormat.JPEG: _jpeg,
    ImageFormat.WEBP: _webp,
    ImageFormat.PNG: _png,
}


def encode_grey(plane: NDArray[np.uint8], kind: ImageFormat) -> EncodedPicture:
    """One 8-bit plane, such as an alpha mask, as a grey file (WebP has no grey and gets three equal ones)."""
    height, width = plane.shape
    if kind is ImageFormat.WEBP:
        return encode(Raster(np.repeat(plane[..., None], 3, axis=2)), kind)
    check_fits(width, height, kind)
    from perkie_cli.imaging import pillow

    return EncodedPicture(pillow.grey(plane, kind), kind, width, height)


def archive(pictures: Mapping[str, EncodedPicture]) -> bytes:
    """The files as an uncompressed ZIP: they are compressed already. The same pictures give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, picture in pictures.items():
            target.writestr(zipfile.ZipInfo(name), picture.data)
    return out.getvalue()


def check_fits(width: int, height: int, kind: ImageFormat) -> None:
    """Checks that the format can hold these sides in px. Raises: InvalidParameter."""
    if max(width, height) > kind.longest_side:
        raise InvalidParameter(
            f"{width} × {height} px do not fit into {kind.value}; its maximum is {kind.longest_side} px per side",
            hint="Choose a smaller size." if kind is ImageFormat.PNG else "Use png, or make it smaller.",
        )


def encode_master(raster: Raster) -> EncodedPicture:
    """The stored form: JPEG at quality 92, or PNG if there is alpha or a side too long for JPEG.

    Raises: OutOfMemory; nothing else for a picture that was decoded or drawn within the limits.
    """
    kind = master_format(raster.alpha is not None)
    return encode(raster, kind if raster.long_side <= kind.longest_side else ImageFormat.PNG, MASTER_QUALITY)
