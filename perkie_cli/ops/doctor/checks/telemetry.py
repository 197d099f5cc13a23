"""Where a server sends metrics and traces."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import metadata
from urllib.parse import urlsplit

from perkie_cli.ops.doctor.said import Said, error, ok, warning
from perkie_cli.ops.doctor.subject import Subject


async def sinks(its: Subject) -> Sequence[Said]:
    """Whether what metrics and traces need is installed and set, and whether the collector takes connections."""
    said = []
    if its.settings.telemetry.monitoring:
        said.append(_monitoring(its))
    if its.settings.telemetry.otlp_endpoint is not None:
        said.append(await _collector(its.settings.telemetry.otlp_endpoint))
    return said or [ok("metrics at /metrics, no traces")]


def _monitoring(its: Subject) -> Said:
    project = its.settings.telemetry.project or its.settings.firestore.project
    if project is None:
        text = "Cloud Monitoring gets the metrics in the project of the credentials: none is set"
        return warning(text, "export PERKIE_TELEMETRY_PROJECT=my-project")
    return ok(f"metrics to Cloud Monitoring, project {project}")


async def _collector(endpoint: str) -> Said:
    try:
        metadata.version("opentelemetry-proto")
    except metadata.PackageNotFoundError:
        return error("traces need OpenTelemetry, and the server does not start", "pip install 'perkie-cli[trace]'")
    place = urlsplit(endpoint)
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        _, writer = await asyncio.open_connection(place.hostname, port)
    except OSError as problem:
        text = f"the collector at {place.hostname}:{port} does not answer ({problem.strerror or problem})"
        return warning(f"{text}: traces are lost", f"curl -sS {endpoint}/v1/traces")
    writer.close()
    return ok(f"traces to {place.hostname}:{port}")
