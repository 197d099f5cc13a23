"""Background removal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from perkie_cli.resilience.admission import Admission
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
        admission=its.matting_admission,
        events=its.events,
    )


def cutout_readiness(its: Services) -> CutoutReadiness:
    """Checks that the configured engine has everything it needs."""
    return CutoutReadiness(its.matting_engines, its.matting_choice, its.model_files)


def matting_admission(its: Services) -> Admission:
    """The gate for cut-outs. Not the one for drawing: a drawing holds its place there while it waits for a cut-out."""
    waiting = its.settings.http.pixels_waiting if its.is_server else math.inf
    return Admission(its.settings.image.pixels_in_work, waiting, "cutting out")
