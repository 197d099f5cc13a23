"""From the one stored master to what was asked for."""

from __future__ import annotations

from perkie_cli.domain.picture import EncodedPicture, ImageFormat, ImageLimits
from perkie_cli.imaging import codec

_MASTERS = ImageLimits(min_side=1)  # ours already: only their soundness is in question


def deliver(master: EncodedPicture, wanted: ImageFormat) -> EncodedPicture:
    """The master itself where the format fits, else a conversion. CPU-bound: run it in a worker.

    Raises: CorruptImage when the stored bytes are damaged.
    """
    if wanted is master.format:
        return master
    return codec.encode(codec.decode(master.data, _MASTERS, "the stored picture").raster, wanted)
