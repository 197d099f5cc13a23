"""Downloads model files with a progress line: for ``perkie models pull``, and before the first cut-out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.cli.render import Renderer
from perkie_cli.domain.cutouts.checkpoint import Checkpoint, checkpoint
from perkie_cli.domain.errors import MissingWeights, PerkieError
from perkie_cli.domain.units import format_size

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

_OTHERWISE = (
    "Put the file there yourself, run `perkie models pull` later, or "
    "use the builtin engine (`remove-bg --engine builtin`; elsewhere `--matting-engine builtin`)."
)


async def ensure_weights(
    services: Services, renderer: Renderer, engine: str | None = None, *, required: bool = True
) -> None:
    """Downloads the mode's checkpoint if the engine (by default the configured one) runs it in this process and neither
    the checkpoint nor its export exists.

    Raises: MissingExtra, MissingDevice; if ``required`` also MissingWeights or what a retry may mend, with a hint about
    the alternatives.
    """
    if not services.cutout_readiness.lacks_weights(engine):
        return
    wanted = checkpoint(services.matting_choice.mode)
    services.check_matting()
    if not services.settings.general.offline:
        renderer.say(f"{wanted.file} is downloaded once to {services.model_files.folder}")
    try:
        await pull(services, renderer, wanted)
    except PerkieError as error:
        kind = type(error) if error.retryable else MissingWeights  # a retry may mend the network
        missing = kind(f"no weights for {wanted.model}: {error.message}", hint=_OTHERWISE)
        if required:
            raise missing from error
        renderer.warn(missing.message)


async def pull(services: Services, renderer: Renderer, wanted: Checkpoint) -> Path:
    """Downloads, checks and stores one file, with a progress display. Raises: as ``ModelFiles.pull``."""
    with renderer.transfer(wanted.file) as bar:
        return await services.model_files.pull(wanted, bar.at)


def described(path: Path | None) -> str:
    """A file's path and size, for people."""
    return "–" if path is None else f"{path} ({format_size(path.stat().st_size)})"
