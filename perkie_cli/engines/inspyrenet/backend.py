"""What runs the network: torch or ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class OutOfMemory(Exception):
    """The device had too little memory for this batch or size; the backend can go on with a smaller one."""


class Backend(Protocol):
    """One checkpoint, loaded. Safe to call from several threads."""

    device: str  # what it runs on, as results report it
    batch: int  # pictures that are best given at once
    side: int  # px of the inputs it was made for

    def saliency(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (n, side, side) probabilities, not stretched, for float32 (n, 3, side, side).

        Raises: OutOfMemory.
        """
