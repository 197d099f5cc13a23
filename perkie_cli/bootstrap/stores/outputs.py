"""The record of outputs and the journal of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.ports import Journal, Locks, OutputStore
from perkie_cli.stores.disk.locks import FileLocks
from perkie_cli.stores.sqlite.journal import SqliteJournal
from perkie_cli.stores.sqlite.outputs import SqliteOutputs

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def outputs(its: Services) -> OutputStore:
    """Records which files were made, from which input and how."""
    return SqliteOutputs(its.state_dir / "outputs.sqlite")


def journal(its: Services) -> Journal:
    """Remembers each run over many photos."""
    return SqliteJournal(its.state_dir / "runs.sqlite")


def locks(its: Services) -> Locks:
    """Locks between the processes of this machine; a run holds one for as long as it lives."""
    return FileLocks(its.state_dir / "locks", its.clock)
