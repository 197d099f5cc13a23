"""Background removal with the network that ships with perkie: nothing to download, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.engines.u2net.weights import read_weights
from perkie_cli.ports import Matte, MattingJob, Workers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL = "u2netp"
_VERSION = "5"  # increase it when alpha changes


class BuiltinEngine:
    """``ports.MattingEngine`` with the shipped network. It has no modes."""

    name = "builtin"

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._loaded = False

    def recipe(self, mode: str) -> Recipe:
        """The same for every mode."""
        del mode
        return Recipe(self.name, MODEL, _VERSION)

    async def warm_up(self, mode: str) -> str:
        """Loads the network before the first picture; returns its device. Raises: BrokenInstall."""
        del mode
        await self._workers.run(_warm_up)
        return "cpu"

    async def load(self) -> None:
        """Reads the network, once. Raises: BrokenInstall."""
        if not self._loaded:
            self._loaded = True
            await self._workers.run(_load)

    async def check_weights(self) -> None:
        """Reads the shipped network without loading it. Raises: BrokenInstall."""
        await self._workers.run(read_weights)

    async def matte(self, job: MattingJob) -> Matte:
        """Finds the subject. Raises: BrokenInstall."""
        alpha, confidence, notes = await self._workers.run(_find, job.raster.rgb)
        return Matte(alpha, confidence, self.name, MODEL, "cpu", notes)

    async def aclose(self) -> None:
        """Does nothing: the network belongs to the process."""


def _load() -> None:
    weights = read_weights()  # while the worker that decodes imports OpenCV
    from perkie_cli.engines.u2net.network import shared_network

    shared_network(weights)


def _warm_up() -> None:
    import numpy as np

    import perkie_cli.engines.u2net.subject  # noqa: F401  # for its imports
    from perkie_cli.engines.u2net.network import SIDE, shared_network

    shared_network().map(np.zeros((SIDE, SIDE, 3), np.uint8))  # the first run allocates


def _find(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float, tuple[str, ...]]:
    import numpy as np

    from perkie_cli.engines.u2net.mount import without_mount
    from perkie_cli.engines.u2net.subject import find_subject

    inside = without_mount(rgb)  # in a frame the network takes the whole photo for the subject
    found = find_subject(np.ascontiguousarray(rgb[inside]))
    alpha = np.zeros(rgb.shape[:2], np.uint8)
    alpha[inside] = found.alpha
    return alpha, found.confidence.value, found.confidence.notes
