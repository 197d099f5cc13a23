"""What the shell completes besides names of options."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from perkie_cli.config.load import load, user_config_dir
from perkie_cli.domain.cache_key import parse_name
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.selection import Selection

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

MOST_HASHES = 30


def styles(incomplete: str) -> list[tuple[str, str]]:
    """Style ids and aliases after the last comma, each with the style's title."""
    from perkie_cli.config.styles import load_styles

    head, comma, tail = incomplete.rpartition(",")
    book = load_styles(user_config_dir(os.environ) / "styles")
    names = [(name, style.title) for style in book.all() for name in style.names]
    names += [("all", "every style"), ("popular", "the popular ones")]
    return [(head + comma + name, title) for name, title in names if name.startswith(tail)]


def hashes(incomplete: str) -> list[str]:
    """Hashes of pictures on this disk; a bucket is too far away to be asked at every press of a key."""
    from perkie_cli.bootstrap import build_services

    try:
        services = build_services(load().settings)
        return [] if services.settings.cache.store == "gcs" else asyncio.run(_hashes(services, incomplete))
    except PerkieError:
        return []


async def _hashes(services: Services, beginning: str) -> list[str]:
    found: dict[str, None] = {}
    async for info in services.blobs.list(Selection(hash=beginning)):
        found[parse_name(info.key)[0]] = None
        if len(found) == MOST_HASHES:
            break
    await services.aclose()
    return sorted(found)
