"""The interface of the backends that run the network: torch and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, TypeVar

from perkie_cli.domain.errors import MissingExtra, OutOfMemory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
PACKAGES = ("torch", "transparent_background")
"""Packages of the extra ``matting`` that the network needs."""


def is_installed() -> bool:
    """Whether its extra is installed: ``pip install perkie-cli[matting]``."""
    return all(find_spec(package) is not None for package in PACKAGES)


def missing(package: str) -> MissingExtra:
    """The error to raise for a package of the extra ``matting`` that is not installed."""
    return MissingExtra(f"{package} is not installed", hint="Install it: pip install 'perkie-cli[matting]'.")


class Backend(Protocol):
    """One checkpoint, loaded. Safe to call from several threads."""

    device: str  # the device in results
    batch: int  # the best number of pictures per run
    sides: tuple[int, ...]  # input sizes in px: the trained one first, then smaller ones for low memory

    def saliency(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (n, side, side) probabilities, not stretched, for float32 (n, 3, side, side).

        Raises: OutOfMemory; the backend can go on with fewer or smaller pictures.
        """


def within_memory(work: Callable[[], T], device: str, *errors: type[Exception]) -> T:
    """The result of ``work``; ``errors`` are the library's errors for a lack of memory.

    Raises: OutOfMemory, outside the handler: a chained error would keep the failed tensors in memory during the retry.
    """
    try:
        return work()
    except errors as error:
        said = str(error)
    ours = OutOfMemory(
        f"{device} has too little memory for the network",
        hint="Free some memory, or use --mode fast or --device cpu.",
    )
    ours.add_note(said)
    raise ours
