"""Byte ranges and validators (RFC 9110 §13 and §14)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Unsatisfiable(ValueError):
    """The range begins behind the end."""


def parse_range(header: str | None, size: int) -> range | None:
    """The positions asked for; None where the whole is to be sent: no header, several ranges, or nonsense.

    Raises: Unsatisfiable.
    """
    match = _RANGE.fullmatch((header or "").replace(" ", ""))
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":  # the last N bytes
        count = int(match[2])
        if count == 0 or size == 0:
            raise Unsatisfiable
        return range(max(0, size - count), size)
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return range(first, min(last, size - 1) + 1)


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller has it already (weak comparison)."""
    if if_none_match is None:
        return False
    given = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return "*" in given or etag.removeprefix("W/") in given
