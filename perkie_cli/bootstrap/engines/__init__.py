"""The engines that draw and cut out: the part of ``Services`` behind each name, and the configured choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from perkie_cli.domain.engines import AUTO, DRAWING, MATTING, DrawingChoice, MattingChoice, auto_drawing, auto_matting
from perkie_cli.engines.inspyrenet.backend import is_installed
from perkie_cli.engines.networks.engine import NetworkEngine, NetworkEngines
from perkie_cli.ports import MattingEngine, StyleEngine

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services

E = TypeVar("E", covariant=True)

# Every engine is a part, so that it is built once and closed with the rest. Modules of this folder make them.
DRAWING_PARTS = {"gemini": "gemini", "local": "local"}
MATTING_PARTS = {"inspyrenet": "inspyrenet", "builtin": "builtin", "remote": "remote_matting"}


class Engines(Mapping[str, E]):
    """Engines by name, including ``auto``; each is built at first use."""

    def __init__(self, its: Services, parts: Mapping[str, str], auto: str) -> None:
        self._its = its
        self._parts = {**parts, AUTO: parts[auto]}

    def __getitem__(self, name: str) -> E:
        made: Any = getattr(self._its, self._parts[name])
        return made  # type: ignore[no-any-return]  # a part of that name

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


class MattingEngines(Engines[MattingEngine]):
    """Perkie's own engines, then the networks of models.toml, which is read when one that is not ours is asked for."""

    def __getitem__(self, name: str) -> MattingEngine:
        return super().__getitem__(name) if name in self._parts else self._its.network_engines[name]

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        yield from self._its.network_engines

    def __len__(self) -> int:
        return super().__len__() + len(self._its.network_engines)


def network_engines(its: Services) -> NetworkEngines:
    """The networks of models.toml; a file is looked up when its network is first used."""
    threads = its.settings.matting.threads
    made = {name: NetworkEngine(row, its.model_store, its.workers, threads) for name, row in its.networks.items()}
    return NetworkEngines(made)


def drawing_choice(its: Services) -> DrawingChoice:
    """The configured engine and size."""
    style, gemini = its.settings.style, its.settings.gemini
    auto = auto_drawing(has_gemini=gemini.vertexai or gemini.api_key is not None)
    return DrawingChoice(style.engine, auto, style.size)


def matting_choice(its: Services) -> MattingChoice:
    """The configured engine and mode."""
    matting = its.settings.matting
    # the artistic service has too little memory for a network of 368 MB, so ``auto`` skips it
    fits = not (its.is_server and its.settings.http.role == "artistic")
    auto = auto_matting(has_remote=matting.remote_url is not None, has_inspyrenet=fits and is_installed())
    return MattingChoice(matting.engine, auto, matting.mode)


def engines(its: Services) -> Mapping[str, StyleEngine]:
    """The engines that draw."""
    return Engines(its, {name: DRAWING_PARTS[name] for name in DRAWING}, its.drawing_choice.auto)


def matting_engines(its: Services) -> Mapping[str, MattingEngine]:
    """The engines that cut out; ``remote`` only if an address is set."""
    has_remote = its.settings.matting.remote_url is not None
    names = [name for name in MATTING if name != "remote" or has_remote]
    return MattingEngines(its, {name: MATTING_PARTS[name] for name in names}, its.matting_choice.auto)
