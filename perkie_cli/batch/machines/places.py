"""What a run takes of a cluster's processors and GPUs, and what it tells of that afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from perkie_cli.domain.errors import MissingDevice
from perkie_cli.domain.frozen import frozen


class GpuUse(StrEnum):
    """Whether the work runs on a GPU."""

    NEVER = "never"
    WHERE_THERE = "where there"
    ALWAYS = "always"


@frozen
class Wanted:
    """At most so many ``actors`` (None: as many as there is room for), each with the ``share`` of a GPU, 0..1."""

    actors: int | None
    gpu: GpuUse = GpuUse.NEVER
    share: float = 1.0


@frozen
class Places:
    """``actors``, each of which takes so many processors and GPUs."""

    actors: int
    cpus: float
    gpus: float

    @classmethod
    def of(cls, cluster: Mapping[str, float], wanted: Wanted) -> Places:
        """Those of a cluster with these resources, as Ray counts them.

        A GPU holds as many actors as shares of it are whole. Without one, more actors than processors share these:
        they wait for Gemini. Raises: MissingDevice.
        """
        processors, gpus = int(cluster.get("CPU", 0)), int(cluster.get("GPU", 0))
        if gpus and wanted.gpu is not GpuUse.NEVER:
            room = gpus * math.floor(1 / wanted.share + 1e-9)
            return cls(min(wanted.actors or room, room), 0, wanted.share)
        if wanted.gpu is GpuUse.ALWAYS:
            raise MissingDevice("no node of the Ray cluster has a GPU", hint="--device cpu does without.")
        actors = wanted.actors or processors or 1
        return cls(actors, min(1.0, int(1000 * processors / actors) / 1000), 0)

    @property
    def each(self) -> str:
        """What one actor has, in words."""
        count, thing = (self.gpus, "GPU") if self.gpus else (self.cpus, "processor")
        return f"a {thing}" if count == 1 else f"{count:g} of a {thing}"


@frozen
class Used:
    """What made a run's outputs. ``devices``: those that the network ran on, as the actors told."""

    places: Places
    devices: set[str] = field(default_factory=set)

    @property
    def summary(self) -> Mapping[str, object]:
        """For machines."""
        its = self.places
        each = {"cpus_each": its.cpus, "gpus_each": its.gpus}
        return {"actors": its.actors, **each, "devices": sorted(self.devices)}

    def __str__(self) -> str:
        its = self.places
        several, each = ("", "") if its.actors == 1 else ("s", " each")
        on = f", on {', '.join(sorted(self.devices))}" if self.devices else ""
        return f"by {its.actors} actor{several} of the Ray cluster with {its.each}{each}{on}"
