"""Parts that only a server has. Imports prometheus_client, from the extra ``serve``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from perkie_cli.domain.errors import MissingExtra
from perkie_cli.telemetry.cloud_monitoring import CloudMonitoring, connect_to_monitoring
from perkie_cli.telemetry.counting import Counting
from perkie_cli.telemetry.fanout import Sink
from perkie_cli.telemetry.flushes import Flushes
from perkie_cli.telemetry.instance import find_instance
from perkie_cli.telemetry.measures import Measures
from perkie_cli.telemetry.prometheus import Exposition
from perkie_cli.telemetry.readings import Readings

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def measures(its: Services) -> Measures:
    """The values of all metrics."""
    del its
    return Measures()


def counting(its: Services) -> Counting:
    """Counts every event."""
    return Counting(its.measures, its.clock)


def server_sinks(its: Services) -> Sequence[Sink]:
    """What a server makes of its events: metrics, traces, writes to Cloud Monitoring."""
    telemetry = its.settings.telemetry
    traces = [_traces(its)] if telemetry.otlp_endpoint else []
    return [its.counting, *traces, *([its.flushes] if telemetry.monitoring else [])]


def _traces(services: Services) -> Sink:
    try:
        return services.traces
    except ImportError as error:
        raise MissingExtra(
            f"traces need {error.name}, which is not installed",
            hint="pip install 'perkie-cli[trace]', or unset telemetry.otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT).",
        ) from error


def cloud_monitoring(its: Services) -> CloudMonitoring:
    """The series in Cloud Monitoring. Google's client is imported at the first write."""
    project = its.settings.telemetry.project or its.settings.firestore.project  # set by GOOGLE_CLOUD_PROJECT
    emulator = its.environ.get("MONITORING_EMULATOR_HOST") or None
    return CloudMonitoring(
        its.measures,
        its.clock,
        connect=lambda: connect_to_monitoring(project, emulator),
        instance=lambda: find_instance(its.environ, its.settings.http.port),
    )


def flushes(its: Services) -> Flushes:
    """Begins the writes to Cloud Monitoring."""
    io, monitoring = its.io, its.cloud_monitoring  # closed in reverse: a write that hangs ends with its connection
    return Flushes(
        "monitoring",
        prepare=lambda: its.readings.take(),
        write=lambda seconds: io.run(monitoring.write, seconds),
        every=its.settings.telemetry.flush_every.total_seconds(),
        clock=its.clock,
        tell=lambda event: its.events.emit(event),
    )


def readings(its: Services) -> Readings:
    """What no event tells, read on demand. The ledger only where something is spent: reading would make its file."""
    paid = its.settings.http.role != "matting" and its.drawing_choice.meant() == "gemini"

    def upstream() -> Mapping[str, Mapping[str, float]]:
        return {"gemini": its.gemini.guard.limits.shares()} if its.is_made("gemini") else {}

    return Readings(
        its.counting,
        its.clock,
        ledger=its.ledger if paid else None,
        cap=its.settings.gemini.daily_cap_usd,
        upstream=upstream,
    )


def metrics(its: Services) -> Exposition:
    """The metrics for Prometheus."""
    return Exposition(its.measures)
