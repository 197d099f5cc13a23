"""Loads imports and models before the first request."""

from __future__ import annotations

import asyncio
import logging

from perkie_cli.bootstrap import Services
from perkie_cli.domain.errors import PerkieError
from perkie_cli.http.parts import Parts
from perkie_cli.http.startup import tell_phase
from perkie_cli.ports import WarmableEngine

log = logging.getLogger("perkie.http")


async def warm_up(parts: Parts, *, network: bool = True) -> list[str]:
    """Loads everything that the first picture of the role would wait for; returns the names of what is ready.

    Imports run in a thread: they take seconds. ``network``: also the matting network, which needs memory.

    Raises: the error that prevents loading the matting role's network. Others work without; ``/ready`` reports it.
    """
    services, role = parts.services, parts.settings.role
    await asyncio.to_thread(_import_modules, services)
    engine = await _warm_engine(services) if role != "matting" else []
    states = await parts.readiness.look()  # after the imports: it would take them for a slow answer
    loaded = ["codec", *(each.name for each, state in states.items() if state == "ok"), *engine]
    if network and (role != "artistic" or not services.cutout_readiness.needs_weights):
        loaded += await _warm_network(services, required=role == "matting")
    return loaded


async def warm_up_at_start(parts: Parts) -> None:
    """``warm_up`` before the first request, for parts that are certainly needed; failures are only logged."""
    try:
        await warm_up(parts, network=parts.settings.role == "matting")
        tell_phase(parts.services, "warm")
    except PerkieError as error:
        log.warning("not warm: %s: %s%s", error.code, error.message, f" ({error.hint})" if error.hint else "")


async def _warm_engine(services: Services) -> list[str]:
    _ = services.storefront  # accessing a part builds it
    engine = services.engines[services.drawing_choice.engine]
    if isinstance(engine, WarmableEngine):
        try:
            await engine.warm_up()
        except PerkieError as error:
            log.info("%s cannot draw: %s", engine.name, error.message)  # readiness warns of it
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
    import perkie_cli.imaging.encode
    import perkie_cli.imaging.pillow  # noqa: F401  # see above

    _ = services.blobs, services.documents  # accessing a part builds it
    if services.settings.telemetry.monitoring:
        services.cloud_monitoring.load()
