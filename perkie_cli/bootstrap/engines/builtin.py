"""Background removal without weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.engines.u2net.engine import BuiltinEngine

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def builtin(its: Services) -> BuiltinEngine:
    """Rough, and never chosen by ``auto``."""
    return BuiltinEngine(its.workers)
