"""Background removal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.resilience.turns import Turns
from perkie_cli.services.cutouts.cut_out import Cutouts
from perkie_cli.services.cutouts.readiness import CutoutReadiness

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def cutouts(its: Services) -> Cutouts:
    """Cuts out one picture."""
    return Cutouts(
        engines=its.matting_engines,
        configured=its.matting_choice,
        cache=its.pictures,
        workers=its.workers,
        clock=its.clock,
        limits=its.limits,
        turns=its.matting_turns,
        events=its.events,
    )


def cutout_readiness(its: Services) -> CutoutReadiness:
    """Checks that the configured engine has everything it needs."""
    return CutoutReadiness(its.matting_engines, its.matting_choice, its.model_files, its.workers)


def matting_turns(its: Services) -> Turns:
    """The queue of pictures to be cut out."""
    return Turns("cutting out", its.room, its.clock, its.events)
