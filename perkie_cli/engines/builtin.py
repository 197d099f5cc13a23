"""Background removal without weights: rough, offline, and only on request.

Three weak witnesses are heard. The local styles' soft subject map (centre, focus, unlike the border) says where the
subject is, but not where it ends; GrabCut (Rother et al., 2004), started from that map instead of from a box, finds the
ends, but on close-ups loses ears and chins; the map keeps what both would lose. A guided filter (He et al., 2010) then
follows the picture's edges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.imaging.inspection import shrunk
from perkie_cli.ports import Matte, MattingJob, Workers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VERSION = "1"
_CUT_SIDE = 256  # px on the long side, for GrabCut
_EDGE_SIDE = 1024  # px on the long side, for the guided filter
_MOST_CONFIDENCE = 0.6  # it never knows better
ROUGH = "the builtin engine is rough: ears, whiskers and busy backgrounds go wrong; inspyrenet is far better"


class BuiltinEngine:
    """Behind ``ports.MattingEngine``. The mode makes no difference."""

    name = "builtin"

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def recipe(self, mode: str) -> Recipe:
        """The same for every mode."""
        del mode
        return Recipe(self.name, self.name, _VERSION)

    async def matte(self, job: MattingJob) -> Matte:
        """Always succeeds; how well, ``confidence`` guesses."""
        alpha, confidence = await self._workers.run(find_subject, job.raster.rgb)
        return Matte(alpha, confidence, self.name, self.name, "cpu", (ROUGH,))

    async def aclose(self) -> None:
        """Holds nothing."""


def find_subject(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """uint8 (h, w) alpha of a uint8 (h, w, 3) picture, and a confidence of at most 0.6."""
    import cv2
    import numpy as np

    from perkie_cli.engines.local.planes import guided_filter
    from perkie_cli.engines.local.subject import estimate_subject

    height, width = rgb.shape[:2]
    picture = _scaled(rgb, _EDGE_SIDE)
    colours = picture.astype(np.float32) / np.float32(255)
    soft = np.asarray(estimate_subject(colours), np.float32)
    cut = _grab_cut(picture, soft)
    likely = np.clip(0.7 * cut + 0.45 * soft - 0.1, 0, 1).astype(np.float32)
    grey = np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), np.float32)
    followed = guided_filter(grey, likely, max(4, max(picture.shape) / 120), 1e-3)
    alpha = np.clip((followed - 0.3) / 0.4, 0, 1)
    agreement = 1 - float(np.mean(np.abs(cut - (soft > 0.5))))
    full = cv2.resize(alpha.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.round(full * 255).astype(np.uint8), round(_MOST_CONFIDENCE * agreement, 3)


def _grab_cut(picture: NDArray[np.uint8], soft: NDArray[np.float32]) -> NDArray[np.float32]:
    """0 or 1 at the picture's size: colour models and graph cut, begun from the soft map."""
    import cv2
    import numpy as np

    small = _roughened(_scaled(picture, _CUT_SIDE))
    map_ = cv2.resize(soft, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    labels = np.full(map_.shape, cv2.GC_PR_BGD, np.uint8)
    labels[map_ > 0.6] = cv2.GC_PR_FGD
    labels[map_ > 0.98] = cv2.GC_FGD
    labels[map_ < 0.1] = cv2.GC_BGD
    if len(np.unique(labels & 1)) < 2:  # all subject or all background: nothing to cut
        return soft
    cv2.setRNGSeed(0)  # its colour models start from random means
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(small[..., ::-1]), labels, (0, 0, 1, 1), *models, 3, cv2.GC_INIT_WITH_MASK)
    full = cv2.resize((labels & 1).astype(np.float32), picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(full, np.float32)


def _roughened(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """With a little noise: on an even ground all cuts cost the same, and the graph cut takes minutes to choose."""
    import numpy as np

    noise = np.random.default_rng(0).integers(-3, 4, picture.shape, np.int16)
    return np.asarray(np.clip(picture + noise, 0, 255), np.uint8)


def _scaled(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    height, width = rgb.shape[:2]
    size = shrunk(width, height, side)
    return rgb if size == (width, height) else np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
