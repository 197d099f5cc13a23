"""HEIC, by libheif."""

from __future__ import annotations

from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray

from perkie_cli.imaging.containers.header import CodePoints
from perkie_cli.imaging.decoders.pixels import Pixels, Samples, shallow


def decode(data: bytes) -> Pixels:
    """The primary picture, turned as its container says; of 16 bits where the file has more than 8.

    Raises: pillow-heif's own errors.
    """
    opened = pillow_heif.open_heif(data, convert_hdr_to_8bit=False)
    image = opened[opened.primary_index]
    info: dict[str, Any] = image.info
    # copied: with an older pillow-heif the memory goes with the image
    samples = _over_whole_range(np.array(image), info["bit_depth"])
    nclx = info.get("nclx_profile")
    alpha = None
    if image.has_alpha:
        alpha = shallow(samples[..., -1])
        samples = samples[..., :-1] if samples.shape[2] == 4 else samples[..., 0]
        if image.premultiplied_alpha:
            samples = _straight(samples, alpha)
    return Pixels(
        np.ascontiguousarray(samples),
        alpha,
        profile=info.get("icc_profile") or None,
        code_points=CodePoints(nclx["color_primaries"], nclx["transfer_characteristics"]) if nclx else None,
    )


def _over_whole_range(samples: Samples, depth: int) -> Samples:
    """10 and 12 bits come shifted to the top of 16, so that white falls short of 65535."""
    if samples.dtype == np.uint8:
        return samples
    return (samples.astype(np.uint32) * 65535 // (65535 >> (16 - depth) << (16 - depth))).astype(np.uint16)


def _straight(samples: Samples, alpha: NDArray[np.uint8]) -> Samples:
    top = np.iinfo(samples.dtype).max
    share = np.maximum(alpha, 1).astype(np.float32)[(..., *[None] * (samples.ndim - 2))] / 255
    return np.minimum(samples / share + 0.5, top).astype(samples.dtype)
