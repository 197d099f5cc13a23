"""The one in-memory form of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.domain.frozen import frozen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@frozen(eq=False)
class Raster:
    """8-bit sRGB pixels, upright.

    ``rgb`` is uint8 (height, width, 3), straight (never premultiplied); ``alpha`` is uint8 (height, width), or None
    when every pixel is opaque.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.rgb.shape[0])

    @property
    def long_side(self) -> int:
        """In pixels."""
        return max(self.width, self.height)


def with_alpha(raster: Raster) -> Raster:
    """The same picture, its alpha written out where it was implied."""
    import numpy as np

    return raster if raster.alpha is not None else Raster(raster.rgb, np.full(raster.rgb.shape[:2], 255, np.uint8))


def at_full_strength(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The alpha (h, w) with its densest place opaque: what is translucent all over is no edge, and no cut-out."""
    import numpy as np

    densest = int(alpha.max())
    return alpha if densest in (0, 255) else np.round(alpha * np.float32(255 / densest)).astype(np.uint8)


@frozen
class Decoded:
    """A decoded upload; ``notes`` say in a sentence each what was changed on the way."""

    raster: Raster
    notes: tuple[str, ...] = ()


def thrice(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """One value a pixel (h, w) as three equal ones (h, w, 3): numpy is several times slower where it must stretch one
    over three.
    """
    import cv2  # late, as in ``with_alpha``: importing a raster is cheap

    return cv2.merge((plane, plane, plane))  # type: ignore[return-value]  # of the planes' type
