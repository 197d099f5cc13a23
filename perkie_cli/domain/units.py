"""Durations and byte sizes as people write them, and why a text does not read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?")
_LONGEST = 1000 * 365.25 * 86400  # seconds; short enough that ``date - duration`` never overflows
_LARGEST = 2**63
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)?")
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, None: 1}


def parse_duration(text: str) -> timedelta:
    """Reads ``500ms``, ``45s``, ``10m``, ``6h``, ``7d``, ``2w``; of numbers without a unit only ``0``.

    Raises: ValueError.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 45s, 10m, 6h or 7d")
    if match[2] is None and float(match[1]):
        raise ValueError(f"{text!r} has no unit: 's' for seconds, 'm' minutes, 'h' hours, 'd' days")
    seconds = float(match[1]) * _SECONDS[match[2] or "s"]
    if seconds > _LONGEST:
        raise ValueError(f"{text!r} is longer than 1000 years")
    return timedelta(seconds=seconds)


def parse_moment(text: str, now: datetime, *, ahead: bool = False) -> datetime:
    """Reads a date or time, in UTC unless it says otherwise, or how long before ``now`` it was (``ahead``: after it).

    Raises: ValueError.
    """
    if _DURATION.fullmatch(text.strip()) is None:
        named = datetime.fromisoformat(text)
        return named if named.tzinfo is not None else named.replace(tzinfo=UTC)
    away = parse_duration(text)
    try:
        return now + away if ahead else now - away
    except OverflowError as error:
        raise ValueError(f"{text!r} is further away than calendars reach") from error


def parse_size(text: str) -> int:
    """Reads ``1024``, ``20MiB``, ``5GB``; in bytes.

    Raises: ValueError.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 500kB, 20MiB or 5GB")
    size = Decimal(match[1]) * _BYTES[match[2]]
    if size >= _LARGEST or size % 1:
        raise ValueError(f"{text!r} is not a whole number of bytes below 8 EiB")
    return int(size)


def format_size(count: int) -> str:
    """Bytes in the nearest binary unit: ``1.4 MiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def exact_duration(time: timedelta) -> str:
    """In the largest unit that divides it, as ``parse_duration`` reads it: ``36h``, ``7d``."""
    for unit, whole in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1))):
        if time and not time % whole:
            return f"{time // whole}{unit}"
    return f"{time.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"


def format_duration(seconds: float) -> str:
    """``340 ms``, ``12.3 s``, ``4 min``, ``6 h``, ``7 days``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def why_unread(error: OSError | ValueError) -> str:
    """Why a text file does not read; its name stands in the caller's sentence already."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return getattr(error, "strerror", None) or str(error)
