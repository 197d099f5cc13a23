"""Event sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.ports import EventSink
from perkie_cli.telemetry.audit import AuditLog

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def audit(its: Services) -> AuditLog:
    """Writes audit records of shared changes, and passes every event to the listener."""
    return AuditLog(its.state_dir / "audit.jsonl", its.clock, its.listener)


def events(its: Services) -> EventSink:
    """The sink for every part's events: first a server's metrics, then the audit log."""
    return its.counting if its.is_server else its.audit
