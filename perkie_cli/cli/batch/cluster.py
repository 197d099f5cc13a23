"""``--runner ray``: what of this command travels to the nodes of a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING

from perkie_cli.batch.machines.places import GpuUse, Wanted
from perkie_cli.batch.work import Maker
from perkie_cli.cli.batch.options import BatchOptions
from perkie_cli.config.schema import Settings
from perkie_cli.domain.errors import MissingExtra, UsageError
from perkie_cli.domain.frozen import frozen

if TYPE_CHECKING:
    from perkie_cli.batch.machines.cluster import ClusterMaker, Node
    from perkie_cli.bootstrap import Services

Recipe = Callable[["Services"], Maker]
"""Makes a run's maker of services, here or on a node. It can be pickled."""

PASSED_ON = frozenset({"FIRESTORE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT", "STORAGE_EMULATOR_HOST"})
"""Variables that name a service and are no settings. Credentials are those of the node."""


@frozen
class Opener:
    """Opens services on a node, with the settings of this command and the folders of the node."""

    settings: Settings
    environ: Mapping[str, str]
    recipe: Recipe
    cuts_out: bool

    def __call__(self) -> Node:
        """The node's maker."""
        from perkie_cli.batch.machines.cluster import Node
        from perkie_cli.bootstrap import build_services

        os.environ.update(self.environ)
        services = build_services(self.settings)

        async def warm_up() -> str | None:
            return await services.cutout_readiness.warm_up() if self.cuts_out else None

        return Node(self.recipe(services), warm_up, services.aclose)


def on_ray(
    services: Services,
    recipe: Recipe,
    local: Maker,
    price: Decimal,
    options: BatchOptions,
    warn: Callable[[str], None],
    *,
    cuts_out: bool,
) -> AbstractAsyncContextManager[ClusterMaker]:
    """See ``on_cluster``. Raises also: MissingExtra, UsageError."""
    if find_spec("ray") is None:
        raise MissingExtra("--runner ray needs ray, which is not installed", hint="pip install 'perkie-cli[ray]'")
    from perkie_cli.batch.machines.cluster import on_cluster

    environ = {name: value for name, value in os.environ.items() if name in PASSED_ON}
    gpu = gpu_use(services, cuts_out=cuts_out)
    wanted = Wanted(options.jobs if options.jobs > 1 else None, gpu, options.gpu_share)
    return on_cluster(local, price, Opener(services.settings, environ, recipe, cuts_out), wanted, warn)


def gpu_use(services: Services, *, cuts_out: bool) -> GpuUse:
    """Whether the run's network runs on a GPU. Raises: UsageError."""
    matting = services.settings.matting
    if not cuts_out or matting.backend == "onnx" or not services.matting_choice.uses_gpu:
        return GpuUse.NEVER
    if matting.device.startswith("cuda:"):
        raise UsageError(
            f"--device {matting.device} is a GPU of one machine",
            hint="Use --device cuda: Ray gives each actor its GPU.",
        )
    return {"auto": GpuUse.WHERE_THERE, "cuda": GpuUse.ALWAYS}.get(matting.device, GpuUse.NEVER)
