"""The local engine behind ``ports.StyleEngine``: offline, free, deterministic."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.picture import check_size
from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.domain.pictures.style import Style
from perkie_cli.engines.local.looks import Look
from perkie_cli.engines.local.recipes import RECIPES, LocalRecipe, find_recipe
from perkie_cli.ports import Rendering, RenderJob, Workers

if TYPE_CHECKING:
    from perkie_cli.imaging.raster import Raster


class LocalStyleEngine:
    """Draws the customer's own pet with image processing, in a pool of workers (drawings hold the GIL: processes)."""

    name = "local"

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._loaded = False

    def recipe(self, style: Style, size: int, model: str | None = None) -> Recipe:  # noqa: ARG002 - the port's shape; there is one model
        """Everything that decides the look. Raises: InvalidParameter."""
        check_size(size)
        local, look = _settled(style)
        return Recipe(self.name, local.id, local.version, {**dataclasses.asdict(look), "size": size})

    async def render(self, job: RenderJob) -> Rendering:
        """Draws in a worker. Raises: InvalidParameter."""
        style = job.style
        self.recipe(style, job.size)  # raises before a worker is used
        raster = await self._workers.run(_render, job.raster, style.drawing, dict(style.parameters), job.size)
        return Rendering(raster, self.name, style.drawing)

    async def warm_up(self) -> None:
        """Imports numpy, OpenCV and the drawings in a worker."""
        await self._workers.run(_load)

    async def load(self) -> None:
        """Reads the network that finds the pet, once, for the first photo. Raises: BrokenInstall."""
        if not self._loaded:
            self._loaded = True
            await self._workers.run(_read_ahead)

    async def aclose(self) -> None:
        """Does nothing: the creator of the workers closes them."""


def _settled(style: Style) -> tuple[LocalRecipe, Look]:
    """The drawing and its settled parameters. Raises: InvalidParameter, naming the style."""
    try:
        local = find_recipe(style.drawing)
        return local, local.settle(style.parameters)
    except InvalidParameter as error:
        raise InvalidParameter(f"style {style.id}: {error.message}", hint=error.hint) from error


def _load() -> None:
    import perkie_cli.engines.local.drawing  # noqa: F401  # for its side effect

    for recipe in RECIPES.values():
        recipe.painter()


def _read_ahead() -> None:
    from perkie_cli.engines.u2net.weights import read_weights

    weights = read_weights()  # while the worker that decodes imports OpenCV
    from perkie_cli.engines.local.scene.pet import read_ahead

    read_ahead(weights)


def _render(raster: Raster, recipe: str, parameters: dict[str, object], size: int) -> Raster:
    """Runs in a worker, which imports numpy and OpenCV."""
    from perkie_cli.engines.local.drawing import picture_seed, render_at

    return render_at(raster, recipe, parameters, size, picture_seed(raster))
