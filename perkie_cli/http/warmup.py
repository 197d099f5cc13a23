"""Loads imports and models before the first request, and checks the dependencies of a role."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from perkie_cli.bootstrap import Services
from perkie_cli.domain.errors import PerkieError
from perkie_cli.http.parts import Parts
from perkie_cli.ports import WarmableEngine

log = logging.getLogger("perkie.http")
_PING_WITHIN = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Dependency:
    """A dependency of a role. Without a ``required`` one it cannot serve; without others it serves less."""

    name: str
    ping: Callable[[], Awaitable[object]]
    required: bool


def dependencies(services: Services, role: str) -> list[Dependency]:
    """The role's dependencies. A store that is down only causes warnings, unless quotas are set to refuse then."""
    needed = [Dependency("images", services.blobs.ping, required=False)]
    if role != "matting":
        denies = services.settings.quota.when_down == "deny"
        needed.append(Dependency("quotas", services.documents.ping, required=denies))
        if services.generate.engine().name == "gemini":
            needed.append(Dependency("gemini", services.gemini.ping, required=False))
            needed.append(Dependency("ledger", services.ledger.ping, required=False))
    cutouts = services.cutout_readiness
    if cutouts.needs_weights:
        needed.append(Dependency("weights", cutouts.check_weights, required=role == "matting"))
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


async def warm_up(services: Services, role: str, *, network: bool = True) -> list[str]:
    """Loads everything that the first picture of ``role`` would wait for; returns the names of what is ready.

    Imports run in a thread: they take seconds. ``network``: also the matting network, which needs memory.

    Raises: the error that prevents loading the matting role's network. Others work without; ``/ready`` reports it.
    """
    await asyncio.to_thread(_import_modules, services)
    needed = dependencies(services, role)
    states = await asyncio.gather(*map(ping, needed))
    loaded = ["codec", *(each.name for each, state in zip(needed, states, strict=True) if state == "ok")]
    if role != "matting":
        loaded += await _warm_engine(services)
    if network and (role != "artistic" or not services.cutout_readiness.needs_weights):
        loaded += await _warm_network(services, required=role == "matting")
    return loaded


async def warm_up_at_start(parts: Parts) -> None:
    """``warm_up`` before the first request, for parts that are certainly needed; failures are only logged."""
    role = parts.settings.role
    try:
        await warm_up(parts.services, role, network=role == "matting")
    except PerkieError as error:
        log.info("not warm: %s: %s", error.code, error.message)


async def _warm_engine(services: Services) -> list[str]:
    _ = services.storefront  # accessing a part builds it
    engine = services.engines[services.drawing_choice.engine]
    if isinstance(engine, WarmableEngine):
        try:
            await engine.warm_up()
        except PerkieError as error:
            log.warning("%s cannot draw: %s", engine.name, error.message)
            return []
    return [f"engine {engine.name}"]


async def _warm_network(services: Services, *, required: bool) -> list[str]:
    try:
        device = await services.cutout_readiness.warm_up()
    except PerkieError:
        if required:
            raise
        return []
    return [f"matting on {device}"] if device is not None else []


def _import_modules(services: Services) -> None:
    """Imports Pillow, NumPy, libheif and the clients of the stores."""
    import perkie_cli.imaging.decode
    import perkie_cli.imaging.encode  # noqa: F401  # see above

    _ = services.blobs, services.documents  # accessing a part builds it
