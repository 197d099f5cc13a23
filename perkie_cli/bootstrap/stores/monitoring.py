"""Cloud Monitoring. Imports Google's clients, which takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.ops.monitor.monitor import Monitor
from perkie_cli.ports.monitoring import Monitoring
from perkie_cli.stores.google.monitoring import GoogleMonitoring
from perkie_cli.telemetry.audit import current_actor

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def monitoring(its: Services) -> Monitoring:
    """The project's objectives, alerts and series."""
    project = its.settings.telemetry.project or its.settings.firestore.project  # set by GOOGLE_CLOUD_PROJECT
    return GoogleMonitoring(project, its.environ)


def monitor(its: Services) -> Monitor:
    """Brings them in line with slo.yaml."""
    return Monitor(its.monitoring, its.events, current_actor())
