"""Lays out a cut-out, adds its background and encodes it as the requested file. CPU-bound: run it in a worker."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from perkie_cli.domain.cutouts.layout import Layout
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import MASTER_QUALITY, ImageFormat, ImageLimits
from perkie_cli.imaging import codec

if TYPE_CHECKING:
    from perkie_cli.imaging.framing import Box
    from perkie_cli.imaging.raster import Raster

ZIP = "application/zip"


class FileKind(StrEnum):
    """``AUTO`` is PNG if anything is transparent, else JPEG; ``ZIP`` contains color.jpg and alpha.png."""

    AUTO = "auto"
    PNG = "png"
    JPG = "jpg"
    WEBP = "webp"
    ZIP = "zip"


@frozen
class Order:
    """The request. ``colour`` (sRGB and opacity, 0..255) or ``picture`` is the background; ``mask``: only alpha."""

    layout: Layout
    kind: FileKind = FileKind.AUTO
    colour: tuple[int, int, int, int] | None = None
    picture: Photo | None = None
    mask: bool = False


@frozen
class Finished:
    """The file, its sides in px, and the subject's box in px of the cut-out."""

    data: bytes
    media_type: str
    width: int
    height: int
    subject: Box


def finish(cutout: Raster, order: Order, limits: ImageLimits) -> Finished | None:
    """The finished file; None without a subject. Raises: BadInput for the background picture, InvalidParameter."""
    from perkie_cli.imaging.framing import lay_out

    laid = lay_out(cutout, order.layout)
    if laid is None:
        return None
    raster = laid.raster if order.mask else _with_background(laid.raster, order, limits)
    data, media_type = _encoded(raster, order)
    return Finished(data, media_type, raster.width, raster.height, laid.subject)


def _with_background(cutout: Raster, order: Order, limits: ImageLimits) -> Raster:
    from perkie_cli.imaging.compose import before, cover, tinted

    if order.colour is not None:
        return tinted(cutout, order.colour[:3], order.colour[3])
    if order.picture is not None:
        picture = codec.decode(order.picture.data, replace(limits, min_side=1), order.picture.name).raster
        return before(cutout, cover(picture, cutout.width, cutout.height))
    return cutout


def _encoded(raster: Raster, order: Order) -> tuple[bytes, str]:
    from perkie_cli.imaging.encode import encode_grey
    from perkie_cli.imaging.raster import with_alpha

    if order.kind is FileKind.ZIP:
        return _zipped(with_alpha(raster)), ZIP
    if order.kind is FileKind.AUTO:
        kind = ImageFormat.PNG if order.mask or _is_transparent(raster) else ImageFormat.JPEG
    else:
        kind = ImageFormat(order.kind)
    if order.mask and raster.alpha is not None:
        return encode_grey(raster.alpha, kind).data, kind.media_type
    return codec.encode(raster, kind).data, kind.media_type


def _is_transparent(raster: Raster) -> bool:
    return raster.alpha is not None and bool((raster.alpha < 255).any())


def _zipped(raster: Raster) -> bytes:
    from perkie_cli.imaging.encode import archive, encode_grey
    from perkie_cli.imaging.raster import Raster as Made

    assert raster.alpha is not None, "it was written out"
    return archive(
        {
            "color.jpg": codec.encode(Made(raster.rgb), ImageFormat.JPEG, MASTER_QUALITY),
            "alpha.png": encode_grey(raster.alpha, ImageFormat.PNG),
        }
    )
