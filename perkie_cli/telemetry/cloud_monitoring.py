"""The measures as time series of Cloud Monitoring. Google's client is imported at the first write.

Counters and distributions are cumulative since the start of the process, so that a write that fails loses nothing: the
next one has it too. A series that did not change is not written again, because Google bills by volume.
https://docs.cloud.google.com/monitoring/custom-metrics/creating-metrics
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from perkie_cli.domain.errors import MissingCredentials, StoreUnavailable
from perkie_cli.ports import Clock
from perkie_cli.telemetry.catalogue import Kind
from perkie_cli.telemetry.instance import Instance
from perkie_cli.telemetry.measures import Distribution, Measures, Reading

MOST_SERIES = 200  # in one call
LEAST_PERIOD = timedelta(seconds=10)  # between two points of a series
RESOURCE = "generic_task"  # Google's own cloud_run_revision takes no custom metrics

_HINTS = {"PermissionDenied": "The service account needs roles/monitoring.metricWriter."}

Key = tuple[str, tuple[str, ...]]
Connect = Callable[[], tuple[Any, str]]  # a MetricServiceClient and the project


class CloudMonitoring:
    """Writes what has changed since it last did. One write at a time; each blocks."""

    def __init__(self, measures: Measures, clock: Clock, connect: Connect, instance: Callable[[], Instance]) -> None:
        self._measures = measures
        self._clock = clock
        self._connect = connect
        self._find_instance = instance
        self._client: Any = None
        self._project = ""
        self._instance: Instance | None = None
        self._began = clock.now()
        self._last = self._began
        self._written: dict[Key, float] = {}

    @staticmethod
    def load() -> None:
        """Imports Google's client, so that no write has to."""
        import google.cloud.monitoring_v3  # noqa: F401

    def write(self, within: float) -> None:
        """Writes the series that have changed; each call takes at most ``within`` seconds.

        Raises: StoreUnavailable if some could not be written, with how many and why; MissingCredentials.
        """
        if self._client is None:
            self._client, self._project = self._connect()
            self._instance = self._find_instance()
        now = max(self._clock.now(), self._last + LEAST_PERIOD)  # also when the clock was set back
        self._last = now
        changed = [each for each in self._measures.read() if self._has_changed(each)]
        troubles = [
            trouble
            for start in range(0, len(changed), MOST_SERIES)
            if (trouble := self._send(changed[start : start + MOST_SERIES], now, within)) is not None
        ]
        if troubles:
            raise StoreUnavailable(f"Cloud Monitoring: {troubles[0]}", hint=_HINTS.get(troubles[0].partition(":")[0]))

    def close(self) -> None:
        """Closes the connection."""
        if self._client is not None:
            self._client.transport.close()
            self._client = None

    def _has_changed(self, reading: Reading) -> bool:
        return reading.metric.kind is Kind.GAUGE or self._written.get(_key(reading)) != _mark(reading)

    def _send(self, readings: Sequence[Reading], now: datetime, within: float) -> str | None:
        """Writes one call's series; what was wrong, if anything. Those that were refused are sent again next time."""
        from google.api_core.exceptions import GoogleAPIError, InvalidArgument
        from google.cloud.monitoring_v3 import CreateTimeSeriesRequest

        asked = CreateTimeSeriesRequest.pb()(name=f"projects/{self._project}")
        for each in readings:
            self._add(asked.time_series.add(), each, now)
        refused: Sequence[int] = ()
        trouble = None
        try:
            self._client.create_time_series(CreateTimeSeriesRequest.wrap(asked), timeout=within, retry=None)
        except InvalidArgument as error:
            refused, trouble = _refused(error, len(readings)), str(error.message)
        except GoogleAPIError as error:
            return f"{type(error).__name__}: {str(getattr(error, 'message', error))[:200]}"
        for number, each in enumerate(readings):
            if number not in refused:
                self._written[_key(each)] = _mark(each)
        return trouble and f"{len(refused)} of {len(readings)} series were refused: {trouble[:200]}"

    def _add(self, series: Any, reading: Reading, now: datetime) -> None:
        from google.api.metric_pb2 import MetricDescriptor

        assert self._instance is not None, "known since the connection was made"
        series.metric.type = reading.metric.in_monitoring
        series.metric.labels.update(reading.labels)
        if self._instance.revision is not None:
            series.metric.labels["revision"] = self._instance.revision
        series.resource.type = RESOURCE
        series.resource.labels.update(self._place(self._instance))
        point = series.points.add()
        point.interval.end_time.FromDatetime(now)
        if reading.metric.kind is Kind.GAUGE:
            series.metric_kind = MetricDescriptor.GAUGE
        else:
            series.metric_kind = MetricDescriptor.CUMULATIVE
            point.interval.start_time.FromDatetime(self._began)
        _fill(point.value, reading)

    def _place(self, instance: Instance) -> dict[str, str]:
        return {
            "project_id": self._project,
            "location": instance.location,
            "namespace": "perkie",
            "job": instance.job,
            "task_id": instance.task,
        }


def _key(reading: Reading) -> Key:
    return reading.metric.name, tuple(reading.labels.values())


def _mark(reading: Reading) -> float:
    return reading.value.count if isinstance(reading.value, Distribution) else reading.value


def _fill(value: Any, reading: Reading) -> None:
    """Counts are whole, everything else is not: Google keeps one type for each metric for ever."""
    if not isinstance(reading.value, Distribution):
        if reading.metric.kind is Kind.COUNTER and reading.metric.unit == "1":
            value.int64_value = int(reading.value)
        else:
            value.double_value = reading.value
        return
    spread, count = reading.value, reading.value.count
    made = value.distribution_value
    made.count = count
    made.mean = spread.sum / count
    made.sum_of_squared_deviation = max(0.0, spread.squares - spread.sum * spread.sum / count)
    made.bucket_options.explicit_buckets.bounds.extend(reading.metric.buckets)
    made.bucket_counts.extend(spread.counts)


def _refused(error: Any, total: int) -> Sequence[int]:
    """The places of the refused series: Google names them in the message, ``timeSeries[0-2,7]``. Else all."""
    named = set(_numbers(re.findall(r"timeSeries\[([\d,\-]+)\]", str(error.message))))
    return sorted(named) or range(total)


def _numbers(lists: Sequence[str]) -> Iterator[int]:
    for part in ",".join(lists).split(","):
        first, _, last = part.partition("-")
        if first:
            yield from range(int(first), int(last or first) + 1)


def connect_to_monitoring(project: str | None, emulator: str | None) -> tuple[Any, str]:
    """A client, and the project: the given one or that of the credentials. ``emulator``: its address instead.

    Raises: MissingCredentials.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # perkie tells of what fails; gRPC would write beside the log
    from google.cloud.monitoring_v3 import MetricServiceClient

    if emulator is not None:
        import grpc
        from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcTransport

        channel = grpc.insecure_channel(emulator)
        return MetricServiceClient(transport=MetricServiceGrpcTransport(channel=channel)), project or "perkie"
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    try:
        credentials, theirs = google.auth.default(scopes=["https://www.googleapis.com/auth/monitoring.write"])
    except GoogleAuthError as error:
        hint = "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file."
        raise MissingCredentials("no Google credentials for Cloud Monitoring", hint=hint) from error
    named = project or theirs
    if named is None:
        raise MissingCredentials("no project for Cloud Monitoring", hint="Set telemetry.project.")
    return MetricServiceClient(credentials=credentials), str(named)
