"""The stored form of what an engine drew."""

from __future__ import annotations

from perkie_cli.domain.picture import EncodedPicture
from perkie_cli.imaging import codec
from perkie_cli.ports import Rendering

AS_IT_CAME = "the picture is kept as the upstream sent it, since it could not be encoded again"


def master_of(rendering: Rendering) -> tuple[EncodedPicture, tuple[str, ...]]:
    """The master, and a note where it is the upstream's own file: what is paid for is not lost. For a worker.

    Raises: what encoding raises, where the engine brought no file.
    """
    try:
        return codec.encode_master(rendering.raster), ()
    except Exception:  # whatever an encoder raises
        if rendering.paid is None:
            raise
        return rendering.paid, (AS_IT_CAME,)
