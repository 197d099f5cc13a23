"""The record of outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.ports import OutputStore
from perkie_cli.stores.sqlite.outputs import SqliteOutputs

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def outputs(its: Services) -> OutputStore:
    """Records which files were made, from which input and how."""
    return SqliteOutputs(its.state_dir / "outputs.sqlite")
