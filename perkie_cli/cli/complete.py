"""Shell completion of option values."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.load import load
from perkie_cli.domain.engines import AUTO, AUTO_DRAWING, AUTO_MATTING, DRAWING, MATTING, MODES, EngineFacts
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.pictures.cache_key import parse_name
from perkie_cli.domain.pictures.style import BackgroundUse
from perkie_cli.domain.storage.selection import Selection

MOST_HASHES = 30


def style(incomplete: str) -> list[tuple[str, str]]:
    """Completes style ids and aliases, each with the style's title."""
    try:
        book = build_services(load().settings).styles
    except PerkieError:  # not reported during completion; the command itself will report it
        return []
    return [(name, each.title) for each in book.all() for name in each.names if name.startswith(incomplete)]


def styles(incomplete: str) -> list[tuple[str, str]]:
    """Completes styles, words for several styles, and the part after the last comma."""
    head, comma, tail = incomplete.rpartition(",")
    several = [] if comma else [("all", "every style"), ("popular", "the popular ones")]
    return [(head + comma + name, title) for name, title in [*style(tail), *several] if name.startswith(tail)]


def drawing_engine(incomplete: str) -> list[tuple[str, str]]:
    """Completes the engines that draw."""
    return _engines(DRAWING, AUTO_DRAWING, incomplete)


def matting_engine(incomplete: str) -> list[tuple[str, str]]:
    """Completes the engines that cut out."""
    return _engines(MATTING, AUTO_MATTING, incomplete)


def _engines(named: Mapping[str, EngineFacts], auto: str, incomplete: str) -> list[tuple[str, str]]:
    helps = {AUTO: auto, **{name: facts.help for name, facts in named.items()}}
    return [(name, help_) for name, help_ in helps.items() if name.startswith(incomplete)]


def background(incomplete: str) -> list[str]:
    """Completes the uses of the background."""
    return [use for use in BackgroundUse if use.startswith(incomplete)]


def matting_mode(incomplete: str) -> list[str]:
    """Completes the modes of matting."""
    return [mode for mode in MODES if mode.startswith(incomplete)]


def hashes(incomplete: str) -> list[str]:
    """Completes hashes of pictures on the local disk; a bucket is too slow for completion."""
    try:
        services = build_services(load().settings)
        near = services.settings.cache.store == "disk" and services.cache_dir.is_dir()
        return asyncio.run(_hashes(services, incomplete)) if near else []
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
