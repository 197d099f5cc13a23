"""Traces over OTLP. Imports OpenTelemetry, from the extra ``trace``."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import perkie_cli
from perkie_cli.telemetry.otlp import Collector
from perkie_cli.telemetry.traces import Traces

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def traces(its: Services) -> Traces:
    """Makes spans of the events, and sends them to the collector."""
    telemetry = its.settings.telemetry
    assert telemetry.otlp_endpoint is not None, "asked for only if it is set"
    resource = {
        "service.name": its.environ.get("K_SERVICE", "perkie"),
        "service.version": perkie_cli.__version__,
        "service.instance.id": f"{socket.gethostname()}:{its.settings.http.port}",
    }
    if (revision := its.environ.get("K_REVISION")) is not None:
        resource["faas.version"] = revision
    if (project := telemetry.project or its.settings.firestore.project) is not None:
        resource["gcp.project_id"] = project  # Google's endpoint asks for it
    collector = Collector(telemetry.otlp_endpoint, resource, its.environ, lambda event: its.events.emit(event))
    return Traces(collector)
