"""Pays for imports and models ahead of the first visitor, and tells whether what a role needs is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from perkie_cli.bootstrap import Services
from perkie_cli.domain.checkpoint import checkpoint
from perkie_cli.domain.errors import MissingWeights, PerkieError
from perkie_cli.services.weights import WeightState

_PING_WITHIN = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something that a role leans on. Without a ``required`` one it cannot serve, without others it serves less."""

    name: str
    ping: Callable[[], Awaitable[object]]
    required: bool


def dependencies(services: Services, role: str) -> list[Dependency]:
    """What the role leans on. A store that is down costs warnings, not pictures, unless quotas deny then."""
    needed = [Dependency("images", services.blobs.ping, required=False)]
    if role != "matting":
        denies = services.settings.quota.when_down == "deny"
        needed.append(Dependency("quotas", services.documents.ping, required=denies))
    if _loads_network(services):
        needed.append(Dependency("weights", lambda: _look_for_weights(services), required=role == "matting"))
    return needed


async def ping(dependency: Dependency) -> str:
    """``ok``, ``timeout`` or the code of the error."""
    try:
        async with asyncio.timeout(_PING_WITHIN):
            await dependency.ping()
    except TimeoutError:
        return "timeout"
    except PerkieError as error:
        return error.code
    return "ok"


async def warm_up(services: Services, role: str) -> list[str]:
    """Builds and loads what ``role`` needs; the names of what is ready. Imports run in a thread: they take seconds.

    Raises: what keeps the matting role from its network. The role ``all`` goes without one.
    """
    await asyncio.to_thread(_import_codec)
    loaded = ["codec"]
    if role != "matting":
        await asyncio.to_thread(lambda: services.storefront)
        loaded += ["styles", "engines"]
    if role != "artistic":
        try:
            device = await services.warm_matting()
        except PerkieError:
            if role == "matting":
                raise
        else:
            loaded += [f"matting on {device}"] if device is not None else []
    return loaded


def _loads_network(services: Services) -> bool:
    """Whether cut-outs are made by a network in this process."""
    matting = services.settings.matting
    return matting.engine == "inspyrenet" or (matting.engine == "auto" and matting.remote_url is None)


async def _look_for_weights(services: Services) -> None:
    """Raises: MissingWeights."""
    found = services.model_files.look(checkpoint(services.settings.matting.mode))
    if found.state is WeightState.ABSENT and found.exported is None:
        raise MissingWeights("the network's weights are not on this machine", hint="perkie models pull")


def _import_codec() -> None:
    import perkie_cli.imaging.decode
    import perkie_cli.imaging.encode  # noqa: F401  # for their side effect: Pillow, NumPy and libheif are in memory
