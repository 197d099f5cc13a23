"""Memory that goes back to the operating system."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Returns freed memory to the system, where the C library can: glibc keeps it for later otherwise.

    It takes milliseconds for every hundred megabytes.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    """https://man7.org/linux/man-pages/man3/malloc_trim.3.html; absent on macOS and musl."""
    import ctypes  # late: a command without pictures does not need it

    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim
