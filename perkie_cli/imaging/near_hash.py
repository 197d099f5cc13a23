"""A perceptual hash: nearly the same for a photo and its resized, recompressed or brightened copies.

256 bits of the low frequencies of a discrete cosine transform (imagehash's ``phash`` with ``hash_size=16``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.domain.errors import MissingExtra
from perkie_cli.imaging import codec

if TYPE_CHECKING:
    from perkie_cli.domain.picture import ImageLimits

SIDE = 16  # bits a side


def near_hash(data: bytes, limits: ImageLimits, source: str = "image") -> str:
    """The hash as 64 hex digits.

    Raises: BadInput as decoding does, MissingExtra.
    """
    try:
        import imagehash
    except ImportError as error:
        raise MissingExtra(
            "near-duplicate look-up needs imagehash", hint="pip install 'perkie-cli[near]', or set cache.near to false."
        ) from error
    from PIL import Image

    raster = codec.decode(data, limits, source).raster
    return str(imagehash.phash(Image.fromarray(raster.rgb), hash_size=SIDE))


def bits_apart(one: str, other: str) -> int:
    """The number of the 256 bits that differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()
