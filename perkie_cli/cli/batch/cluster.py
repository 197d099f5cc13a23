"""``--runner ray``: what of this command travels to the nodes of a cluster."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING

from perkie_cli.batch.work import Maker
from perkie_cli.config.schema import Settings
from perkie_cli.domain.errors import MissingExtra

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

Recipe = Callable[["Services"], Maker]
"""Makes a run's maker of services, here or on a node. It can be pickled."""

PASSED_ON = frozenset({"FIRESTORE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT", "STORAGE_EMULATOR_HOST"})
"""Variables that name a service and are no settings. Credentials are those of the node."""


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens services on a node, with the settings of this command and the folders of the node."""

    settings: Settings
    environ: Mapping[str, str]
    recipe: Recipe

    def __call__(self) -> tuple[Maker, Callable[[], Awaitable[None]]]:
        """The node's maker, and what closes it."""
        from perkie_cli.bootstrap import build_services

        os.environ.update(self.environ)
        services = build_services(self.settings)
        return self.recipe(services), services.aclose


def on_ray(
    services: Services,
    recipe: Recipe,
    local: Maker,
    price: Decimal,
    jobs: int,
    warn: Callable[[str], None],
    *,
    cuts_out: bool,
) -> AbstractAsyncContextManager[tuple[Maker, int]]:
    """See ``on_cluster``. Raises: MissingExtra."""
    if find_spec("ray") is None:
        raise MissingExtra("--runner ray needs ray, which is not installed", hint="pip install 'perkie-cli[ray]'")
    from perkie_cli.batch.machines.cluster import Wanted, on_cluster

    environ = {name: value for name, value in os.environ.items() if name in PASSED_ON}
    gpu = cuts_out and (services.settings.matting.device or "").startswith("cuda")
    wanted = Wanted(jobs if jobs > 1 else None, gpu)
    return on_cluster(local, price, Opener(services.settings, environ, recipe), wanted, warn)
