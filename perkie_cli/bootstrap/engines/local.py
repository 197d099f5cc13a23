"""The engine that draws on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.engines.local.engine import LocalStyleEngine
from perkie_cli.ports import StyleEngine

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def local(its: Services) -> StyleEngine:
    """Draws in the workers of ``drawing``."""
    return LocalStyleEngine(its.drawing)
