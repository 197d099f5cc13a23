"""A photo as it came in: one value from the door to the engine."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture of a kind that perkie reads, within the limits: ``imaging.codec.photo`` makes it at the door.

    ``data`` is the file as it came, or its stored copy; ``hash`` the SHA-256 of the uploaded bytes, in hex, by which
    everything made from it is kept; ``name`` how messages call it (a path, a field); ``pixels`` what decoding costs.
    """

    data: bytes = field(repr=False)
    hash: str
    name: str
    pixels: int
