"""An uploaded photo: one value all the way from the entry point to the engine."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture in a readable format and within the limits. ``imaging.codec.photo`` checks and makes it.

    ``data`` is the uploaded file, or its stored copy; ``hash`` the SHA-256 of the uploaded bytes in hex, the key of
    everything made from it; ``name`` is for messages (a path, a field); ``pixels`` measures the cost of decoding.
    """

    data: bytes = field(repr=False)
    hash: str
    name: str
    pixels: int
