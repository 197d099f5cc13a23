"""Shell completion of option values."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.load import known_profiles, load
from perkie_cli.config.schema import default_groups, rows
from perkie_cli.domain.engines import AUTO, AUTO_DRAWING, AUTO_MATTING, DRAWING, MATTING, EngineFacts
from perkie_cli.domain.errors import PerkieError

if TYPE_CHECKING:
    from perkie_cli.domain.storage.selection import Selection

MOST = 30

Completer = Callable[[str], list[tuple[str, str]]]


def style(incomplete: str) -> list[tuple[str, str]]:
    """Completes style ids and aliases, each with the style's title."""
    try:
        book = build_services(load().settings).styles
    except PerkieError:  # not reported during completion; the command itself will report it
        return []
    return [(name, each.title) for each in book.all() for name in each.names if name.startswith(incomplete)]


def styles(incomplete: str) -> list[tuple[str, str]]:
    """Completes styles, words for several styles, and the part after the last comma."""
    return several_of([*style(""), ("all", "every style"), ("popular", "the popular ones")])(incomplete)


def among(values: Iterable[str | tuple[str, str]]) -> Completer:
    """Completes one of the values; a pair is a value and its help."""
    pairs = [each if isinstance(each, tuple) else (each, "") for each in values]

    def completer(incomplete: str) -> list[tuple[str, str]]:
        return [pair for pair in pairs if pair[0].startswith(incomplete)]

    return completer


def several_of(values: Iterable[str | tuple[str, str]], *alone: str) -> Completer:
    """Completes a comma-separated list of the values, or one of ``alone``."""
    one, first = among(values), among((*values, *alone))

    def completer(incomplete: str) -> list[tuple[str, str]]:
        head, comma, tail = incomplete.rpartition(",")
        return [(head + comma + name, help_) for name, help_ in (one if comma else first)(tail)]

    return completer


def _engines(named: Mapping[str, EngineFacts], auto: str) -> Completer:
    return among([(AUTO, auto), *((name, facts.help) for name, facts in named.items())])


drawing_engine = _engines(DRAWING, AUTO_DRAWING)
matting_engine = _engines(MATTING, AUTO_MATTING)
matting_mode = among([("base", "finer"), ("fast", "ten times faster")])
device = among(("auto", "cpu", "cuda", "mps"))


def image_model(incomplete: str) -> list[tuple[str, str]]:
    """Completes Gemini's image models."""
    services = _services()
    return [] if services is None else among((each.id, each.title) for each in services.models.all())(incomplete)


def profile(incomplete: str) -> list[tuple[str, str]]:
    """Completes the profiles of the config files."""
    try:
        return among(known_profiles())(incomplete)
    except PerkieError:
        return []


def setting(incomplete: str) -> list[tuple[str, str]]:
    """Completes names of settings: first their groups."""
    if "." not in incomplete:
        return among(f"{group}." for group in default_groups())(incomplete)
    return among((row.name, row.help) for row in rows())(incomplete)


def protected_bucket(incomplete: str) -> list[tuple[str, str]]:
    """Completes the protected buckets."""
    services = _services()
    return [] if services is None else among(services.settings.cache.protected_buckets)(incomplete)


def load_scenario(incomplete: str) -> list[tuple[str, str]]:
    """Completes the shipped load-test scenarios."""
    from perkie_cli.loadtest.reading.scenario_file import find, shipped

    return among((name, find(name).title) for name in shipped())(incomplete)


def experiment(incomplete: str) -> list[tuple[str, str]]:
    """Completes the shipped chaos experiments."""
    from perkie_cli.loadtest.chaos.document.shipped import shipped, title_of

    return among((name, title_of(text)) for name, text in shipped().items())(incomplete)


def _services() -> Services | None:
    try:
        return build_services(load().settings)
    except PerkieError:  # not reported during completion; the command itself will report it
        return None


def hashes(incomplete: str) -> list[str]:
    """Completes hashes of pictures on the local disk; a bucket is too slow for completion."""
    from perkie_cli.domain.pictures.cache_key import parse_name  # late, as below: only completion needs it
    from perkie_cli.domain.storage.selection import Selection

    return _stored(Selection(hash=incomplete), lambda key: parse_name(key)[0])


def keys(incomplete: str) -> list[str]:
    """Completes keys of objects on the local disk."""
    from perkie_cli.domain.storage.selection import Selection

    return _stored(Selection(prefix=incomplete), lambda key: key)


def _stored(selection: Selection, part: Callable[[str], str]) -> list[str]:
    services = _services()
    if services is None or services.settings.cache.store != "disk" or not services.cache_dir.is_dir():
        return []
    try:
        return asyncio.run(_found(services, selection, part))
    except PerkieError:
        return []


async def _found(services: Services, selection: Selection, part: Callable[[str], str]) -> list[str]:
    found: dict[str, None] = {}
    async for info in services.blobs.list(selection):
        found[part(info.key)] = None
        if len(found) == MOST:
            break
    await services.aclose()
    return sorted(found)
