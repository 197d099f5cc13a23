"""Pays for imports and models ahead of the first visitor."""

from __future__ import annotations

import asyncio

from perkie_cli.bootstrap import Services


async def warm_up(services: Services, role: str) -> list[str]:
    """Builds and loads what ``role`` needs; the names of what is ready. Imports run in a thread: they take seconds."""
    loaded = ["codec"]
    await asyncio.to_thread(_import_codec)
    if role in ("all", "artistic"):
        await asyncio.to_thread(lambda: services.storefront)
        loaded += ["styles", "engines"]
    if role in ("all", "matting") and (device := await services.warm_matting()) is not None:
        loaded.append(f"matting on {device}")
    return loaded


def _import_codec() -> None:
    import perkie_cli.imaging.decode
    import perkie_cli.imaging.encode  # noqa: F401  # for their side effect: Pillow, NumPy and libheif are in memory
