"""The composition root: what it has built it closes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perkie_cli.bootstrap import build_services
from perkie_cli.config.schema import MattingSettings, Settings


class Part:
    """Writes down that it was closed."""

    def __init__(self, name: str, closed: list[str], error: Exception | None = None) -> None:
        self._name = name
        self._closed = closed
        self._error = error

    async def aclose(self) -> None:
        self._closed.append(self._name)
        if self._error is not None:
            raise self._error


async def test_everything_is_closed_users_first_whatever_goes_wrong() -> None:
    closed: list[str] = []
    names = ("documents", "blobs", "quotas", "remote_matting", "inspyrenet")
    parts: dict[str, Any] = {name: Part(name, closed) for name in names}
    services = build_services(Settings(), gemini=Part("gemini", closed, LookupError("at closing")), **parts)
    with pytest.raises(LookupError, match="at closing"):
        await services.aclose()
    assert set(closed) == {"gemini", *names}
    assert closed.index("quotas") < closed.index("documents")


def test_only_parts_can_be_replaced() -> None:
    with pytest.raises(TypeError, match="'aclose' is no part"):
        build_services(Settings(), aclose=None)


HOLD_NOTHING = {"local", "builtin"}


async def test_every_engine_that_was_built_is_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    matting = MattingSettings(remote_url="http://gpu.example", models_dir=tmp_path)
    services = build_services(Settings(matting=matting))
    built = {
        name: engine for engines in (services.engines, services.matting_engines) for name, engine in engines.items()
    }
    assert set(built) > HOLD_NOTHING
    closed: list[object] = []

    async def aclose(engine: object) -> None:
        closed.append(engine)

    for engine in built.values():
        monkeypatch.setattr(type(engine), "aclose", aclose)
    await services.aclose()
    assert [name for name, engine in built.items() if engine not in closed and name not in HOLD_NOTHING] == []
