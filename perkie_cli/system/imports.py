"""Imports with little or no garbage collection, and without threads that nobody needs."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

_SELDOM = 100_000  # new objects


@contextmanager
def uncollected() -> Iterator[None]:
    """Disables the garbage collector for the block, and excludes the block's objects from later collections.

    Imports create a million objects that stay. Scanning them again and again takes a sixth of a server's start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def seldom_collected() -> None:
    """Lets the garbage collector run once for so many objects, in a process that ends after one picture.

    Most of what it makes is imported modules, which stay. A process that goes on collects as usual: the garbage of a
    failed photo is few objects, but large.
    """
    gc.set_threshold(_SELDOM)


def without_blas_threads() -> None:
    """Lets numpy, if it is not loaded yet, start no threads for its BLAS. They would spin for a tenth of a second at
    each start, on the core that reads the photo; and no product here is large enough to share.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
