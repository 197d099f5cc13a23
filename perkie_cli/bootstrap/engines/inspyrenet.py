"""The large matting network on this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.domain.cutouts.checkpoint import Checkpoint
from perkie_cli.engines.inspyrenet.choose import check_ready, open_backend
from perkie_cli.engines.inspyrenet.engine import InspyrenetEngine
from perkie_cli.system.threads import thread_workers

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services
    from perkie_cli.engines.inspyrenet.backend import Backend


def inspyrenet(its: Services) -> InspyrenetEngine:
    """Loads a checkpoint at its first picture."""
    matting = its.settings.matting

    def load(checkpoint: Checkpoint) -> Backend:
        return open_backend(
            checkpoint, its.model_store, matting.device, matting.backend, matting.threads, compiled=matting.compile
        )

    return InspyrenetEngine(load, workers=its.workers, inference=thread_workers(1))


def check_matting(its: Services) -> Callable[[], None]:
    """A check that the network could run here, apart from its weights. It raises MissingExtra, MissingDevice."""
    return partial(check_ready, its.settings.matting.device)


def export_checkpoint(its: Services) -> Callable[[Checkpoint, Path], Awaitable[Path]]:
    """A function that exports a checkpoint to ONNX, in our folder. It raises MissingExtra, MissingWeights."""

    async def exported(wanted: Checkpoint, source: Path) -> Path:
        from perkie_cli.engines.inspyrenet.export import export  # imports OpenCV and ONNX Runtime

        return await its.workers.run(export, wanted, source, its.model_store)

    return exported
