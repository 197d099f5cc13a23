"""What a run of many pictures remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.ports import OutputStore
from perkie_cli.stores.sqlite.outputs import SqliteOutputs

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def outputs(its: Services) -> OutputStore:
    """Which files were made, from what and how."""
    return SqliteOutputs(its.state_dir / "outputs.sqlite")
