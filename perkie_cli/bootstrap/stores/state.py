"""The files of the state folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.ports import Backups, StateFiles
from perkie_cli.stores.sqlite import documents, journal, ledger, outputs
from perkie_cli.stores.sqlite.backup import Kept, SqliteBackups
from perkie_cli.stores.sqlite.state import Expected, SqliteState
from perkie_cli.telemetry.audit import current_actor

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services

_QUOTAS = "today's use and grants, so everybody starts at zero; idempotency keys, so a repeated request is paid again"
_SPENDING = "what was spent, so today's cap starts at zero"
_OUTPUTS = "which outputs are finished"
_RUNS = "the reports of runs over many photos, and which of their items failed"


def state_files(its: Services) -> StateFiles:
    """Checks quotas, spending and the record of outputs, as far as they are files."""
    files = [
        Expected(its.quota_file, documents.SCHEMA, _QUOTAS),
        Expected(its.state_dir / "spend.sqlite", ledger.SCHEMA, _SPENDING),
        Expected(its.state_dir / "outputs.sqlite", outputs.SCHEMA, _OUTPUTS),
        Expected(its.state_dir / "runs.sqlite", journal.SCHEMA, _RUNS),
    ]
    return SqliteState(files, its.clock, its.io, its.events, current_actor())


def backups(its: Services) -> Backups:
    """Copies of quotas, spending, records of outputs and runs, and audit records."""
    files = [
        Kept(its.quota_file, documents.SCHEMA),
        Kept(its.state_dir / "spend.sqlite", ledger.SCHEMA, ledger.with_added_columns),
        Kept(its.state_dir / "outputs.sqlite", outputs.SCHEMA),
        Kept(its.state_dir / "runs.sqlite", journal.SCHEMA),
        Kept(its.audit.path),
    ]
    return SqliteBackups(files, its.state_dir, its.clock, its.io, its.events, current_actor())
