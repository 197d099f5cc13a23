"""Where events go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.ports import EventSink
from perkie_cli.telemetry.audit import AuditLog

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def audit(its: Services) -> AuditLog:
    """Writes down what changes something shared, and hands every event to the listener."""
    return AuditLog(its.state_dir / "audit.jsonl", its.clock, its.listener)


def events(its: Services) -> EventSink:
    """Takes the events of every part: a server's metrics count them before the audit log sees them."""
    return its.metrics if its.is_server else its.audit
