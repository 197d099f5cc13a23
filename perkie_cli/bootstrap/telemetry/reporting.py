"""Event sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.ports import EventSink
from perkie_cli.telemetry.audit import AuditLog
from perkie_cli.telemetry.fanout import Fanout

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def audit(its: Services) -> AuditLog:
    """Writes audit records of shared changes."""
    return AuditLog(its.state_dir / "audit.jsonl", its.clock, lambda event: its.events.emit(event))


def events(its: Services) -> EventSink:
    """The sink for every part's events: first a server's sinks, then the audit log, at last the listener."""
    server = its.server_sinks if its.is_server else ()
    return Fanout([*server, its.audit], its.listener)
