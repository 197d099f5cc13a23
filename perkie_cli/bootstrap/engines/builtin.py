"""The small network that comes with perkie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.engines.u2net.engine import BuiltinEngine

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def builtin(its: Services) -> BuiltinEngine:
    """The last resort of ``auto``, and what stands in for the others."""
    return BuiltinEngine(its.workers)
