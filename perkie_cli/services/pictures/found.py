"""Stored pictures: the master, its facts, and its conversion to the requested format."""

from __future__ import annotations

from collections.abc import Mapping

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.picture import EncodedPicture, ImageFormat, ImageLimits
from perkie_cli.domain.pictures.result import CacheOutcome
from perkie_cli.imaging import codec
from perkie_cli.ports import Blob, Rendering

_MASTERS = ImageLimits(min_side=1)  # already ours: only check that they are intact
AS_IT_CAME = "the picture is stored as the upstream sent it, because it could not be encoded again"


@frozen
class Found:
    """A picture from the cache with its stored facts."""

    picture: EncodedPicture
    key: str
    outcome: CacheOutcome
    facts: Mapping[str, str]


def found_in(blob: Blob, key: str, outcome: CacheOutcome) -> Found:
    """The picture in a stored object. Raises: the BadInput family for one without facts that does not read."""
    facts = blob.info.metadata
    try:
        width, height = int(facts["width"]), int(facts["height"])
    except (KeyError, ValueError):  # its row was rebuilt from the file, or somebody's tool wrote the facts
        seen = codec.inspect(blob.data, _MASTERS, "the stored picture")
        width, height = seen.width, seen.height
    picture = EncodedPicture(blob.data, ImageFormat(blob.info.key.rpartition(".")[2]), width, height)
    return Found(picture, key, outcome, facts)


def deliver(master: EncodedPicture, format_: ImageFormat) -> EncodedPicture:
    """The stored master in the requested format. CPU-bound: run it in a worker.

    Raises: CorruptImage when the stored bytes are damaged.
    """
    if format_ is master.format:
        return master
    return codec.encode(codec.decode(master.data, _MASTERS, "the stored picture").raster, format_)


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
