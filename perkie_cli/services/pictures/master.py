"""The stored form of a drawn picture."""

from __future__ import annotations

from perkie_cli.domain.picture import EncodedPicture
from perkie_cli.imaging import codec
from perkie_cli.ports import Rendering

AS_IT_CAME = "the picture is stored as the upstream sent it, because it could not be encoded again"


def master_of(rendering: Rendering) -> tuple[EncodedPicture, tuple[str, ...]]:
    """The master, with a note if it is the upstream's own file: a paid picture must not be lost. Run it in a worker.

    Raises: the encoder's error, if the engine returned no file.
    """
    try:
        return codec.encode_master(rendering.raster), ()
    except Exception:  # encoders can raise anything
        if rendering.paid is None:
            raise
        return rendering.paid, (AS_IT_CAME,)
