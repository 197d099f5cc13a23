"""The small network that comes with perkie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.engines.u2net.engine import BuiltinEngine

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def builtin(its: Services) -> BuiltinEngine:
    """The last choice of ``auto``, and the fallback for the other engines."""
    return BuiltinEngine(its.workers)
