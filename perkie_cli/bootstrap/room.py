"""The room for pictures in progress, which drawing and cutting out share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from perkie_cli.resilience.turns import Room

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def room(its: Services) -> Room:
    """A command waits for memory only, since it has its own number of jobs; a server refuses what comes too late."""
    pixels = its.settings.image.pixels_in_work
    if not its.is_server:
        return Room(math.inf, pixels, math.inf)
    return Room(its.settings.general.workers, pixels, its.settings.http.pixels_waiting)
