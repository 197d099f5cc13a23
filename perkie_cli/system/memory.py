"""Freed memory: given back to the operating system, or kept for the next picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from mmap import PAGESIZE

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8  # numbers of mallopt's parameters
_LARGEST_KEPT = 32 * 2**20  # bytes: the most that glibc takes; larger blocks go back
_FETCHED = 32 * 2**20  # bytes more than needed at a time
_ALL = 2**31 - 1  # bytes
_POPULATE_WRITE = 23  # of madvise, since Linux 5.14
_PIECE = 8 * 2**20  # bytes: other threads that need memory wait for one

_kept = False


def give_back() -> None:
    """Returns freed memory to the system, where the C library can: glibc keeps it for later otherwise.

    It takes milliseconds for every hundred megabytes.
    """
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def keep() -> None:
    """Keeps freed memory in this process, where the C library can: fetching it anew for every step costs a tenth of a
    cut-out. Threads share one arena, since what is free in another's is of no use.

    The process stays at its peak then, until it is told to ``give_back``.
    """
    global _kept
    choose = _of_glibc("mallopt")
    if choose is not None:
        _kept = True
        choose(_ARENA_MAX, 1)
        choose(_MMAP_THRESHOLD, _LARGEST_KEPT)
        choose(_TRIM_THRESHOLD, _ALL)
        choose(_TOP_PAD, _FETCHED)


def fetch(size: int) -> None:
    """Fetches about ``size`` bytes in advance, if this process keeps memory: page after page, as they are first used,
    they cost twice the time. Where the kernel cannot do that, nothing happens.
    """
    allocate, free, advise = (_of_glibc(name) for name in ("malloc", "free", "madvise"))
    if not _kept or allocate is None or free is None or advise is None:
        return
    pieces = [allocate(_PIECE) for _ in range(size // _PIECE)]
    for piece in pieces:
        advise(-(-piece // PAGESIZE) * PAGESIZE, _PIECE - PAGESIZE, _POPULATE_WRITE)
    for piece in pieces:
        free(piece)


@cache
def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of https://man7.org/linux/man-pages/man3/mallopt.3.html and its like; absent on macOS and musl."""
    import ctypes  # late: a command without pictures does not need it

    word = ctypes.c_size_t
    types = {"malloc": (word, word), "free": (None, word), "madvise": (ctypes.c_int, word, word, ctypes.c_int)}
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    if name in types:
        function.restype, *function.argtypes = types[name]
    return function  # type: ignore[no-any-return]  # ctypes has no types
