"""Percent-encoding (RFC 3986 §2.1) of megabytes."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

_PIECE = 64 * 1024  # bytes


def unquoted(raw: bytes) -> bytes:
    """``unquote_to_bytes`` in pieces, since it takes fifty bytes of memory for every percent sign."""
    if b"%" not in raw:
        return raw
    found, at = bytearray(), 0
    while at < len(raw):
        end = at + _PIECE
        if (cut := raw.rfind(b"%", end - 2, end)) >= 0:  # not through an escape
            end = cut
        found += unquote_to_bytes(raw[at:end])
        at = end
    return bytes(found)
