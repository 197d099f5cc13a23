"""Pictures in a style: drawing, caching, degradation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.resilience.pace import Pace
from perkie_cli.resilience.turns import Turns
from perkie_cli.services.cutouts.source import CutoutSource
from perkie_cli.services.pictures.generate import Generate
from perkie_cli.services.pictures.ladder import Ladder
from perkie_cli.services.pictures.warming import Warming

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def generate(its: Services) -> Generate:
    """Makes one picture in one style."""
    return Generate(
        styles=its.styles,
        engines=its.engines,
        configured=its.drawing_choice,
        cache=its.pictures,
        workers=its.workers,
        clock=its.clock,
        limits=its.limits,
        quotas=its.quotas,
        ladder=its.ladder,
        turns=its.drawing_turns,
        leases=its.leases,
        cutouts=its.cutout_source,
        events=its.events,
    )


def cutout_source(its: Services) -> CutoutSource:
    """Cut-outs for styling; no matting engine is built before it is needed."""
    return CutoutSource(lambda: its.cutouts)


def ladder(its: Services) -> Ladder:
    """The degradation ladder: substitutes for pictures that cannot be drawn."""
    return Ladder(its.pictures, its.local, its.workers, its.events, its.clock, its.local_pace)


def local_pace(its: Services) -> Pace:  # noqa: ARG001 -- the shape of every maker
    """How long the local engine has recently taken for substitutes."""
    return Pace()


def drawing_turns(its: Services) -> Turns:
    """The queue of pictures to be drawn."""
    return Turns("drawing", its.room, its.clock, its.events)


def warming(its: Services) -> Warming:
    """Finds recent uploads, to draw their pictures beforehand."""
    return Warming(its.blobs, its.leases, its.limits, its.workers, its.clock)
