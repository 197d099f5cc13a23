"""The emulated MetricService holds Google's client to Google's rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.api import metric_pb2
from google.api_core.exceptions import InvalidArgument, MethodNotImplemented, ServiceUnavailable
from google.cloud import monitoring_v3
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcTransport

from perkie_cli.emulators.monitoring.server import MonitoringEmulator
from perkie_cli.emulators.rpc_faults import RpcFault, RpcFaultKind
from tests.monitoring import monitoring_thread

PROJECT = "projects/p"
NOW = datetime.now(UTC)
CUMULATIVE, GAUGE = metric_pb2.MetricDescriptor.CUMULATIVE, metric_pb2.MetricDescriptor.GAUGE
PLACE = {"project_id": "p", "location": "l", "namespace": "perkie", "job": "serve", "task_id": "1"}


@pytest.fixture(scope="module")
def running_emulator() -> Iterator[MonitoringEmulator]:
    with monitoring_thread() as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator: MonitoringEmulator) -> MonitoringEmulator:
    running_emulator.time_series.series.clear()
    running_emulator.time_series.descriptors.clear()
    running_emulator.faults.set(())
    return running_emulator


@pytest.fixture
def client(emulator: MonitoringEmulator) -> Iterator[monitoring_v3.MetricServiceClient]:
    with grpc.insecure_channel(emulator.address) as channel:
        yield monitoring_v3.MetricServiceClient(transport=MetricServiceGrpcTransport(channel=channel))


def series(
    value: Any = 1,
    *,
    at: float = 0,
    since: float | None = -60,
    name: str = "calls",
    kind: int = CUMULATIVE,
    **labels: str,
) -> monitoring_v3.TimeSeries:
    """One point ``at`` seconds from now; ``since``: its start, None for a gauge."""
    interval: dict[str, datetime] = {"end_time": NOW + timedelta(seconds=at)}
    if since is not None:
        interval["start_time"] = NOW + timedelta(seconds=since)
    held = {"double_value": value} if isinstance(value, float) else {"int64_value": value}
    held = {"distribution_value": value} if isinstance(value, dict) else held
    return monitoring_v3.TimeSeries(
        metric={"type": f"custom.googleapis.com/perkie/{name}", "labels": labels},
        resource={"type": "generic_task", "labels": PLACE},
        metric_kind=kind,
        points=[{"interval": interval, "value": held}],
    )


def refusal(client: monitoring_v3.MetricServiceClient, *given: monitoring_v3.TimeSeries) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        client.create_time_series(name=PROJECT, time_series=list(given))
    return caught.value


def listed(client: monitoring_v3.MetricServiceClient, text: str) -> list[monitoring_v3.TimeSeries]:
    interval = {"start_time": NOW - timedelta(hours=1), "end_time": NOW + timedelta(hours=1)}
    return list(client.list_time_series(request={"name": PROJECT, "filter": text, "interval": interval}))


def test_what_is_written_is_read_newest_first(client: monitoring_v3.MetricServiceClient) -> None:
    client.create_time_series(name=PROJECT, time_series=[series(1, outcome="ok"), series(7, outcome="timeout")])
    client.create_time_series(name=PROJECT, time_series=[series(3, at=10, outcome="ok")])
    text = 'metric.type = "custom.googleapis.com/perkie/calls"'
    (ok,) = listed(client, f'{text} AND metric.labels.outcome = "ok" AND resource.labels.job = "serve"')
    assert [point.value.int64_value for point in ok.points] == [3, 1]
    assert len(listed(client, text)) == 2
    (described,) = client.list_metric_descriptors(name=PROJECT)
    assert (described.metric_kind, [each.key for each in described.labels]) == (CUMULATIVE, ["outcome"])


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (series(2, at=0), "had an older end time"),
        (series(2, at=-10), "had an older end time"),
        (series(2, at=10, since=-70), "had an older start time"),
        (series(2, at=3), "more frequently than the maximum sampling period"),
        (series(2.5, at=10), "must be CUMULATIVE, INT64, but are CUMULATIVE, DOUBLE"),
        (series(2, at=10, since=None, kind=GAUGE), "but are GAUGE, INT64"),
    ],
)
def test_a_series_goes_forward(
    client: monitoring_v3.MetricServiceClient, second: monitoring_v3.TimeSeries, told: str
) -> None:
    client.create_time_series(name=PROJECT, time_series=[series(1)])
    assert told in refusal(client, second).message


def test_a_new_start_after_the_last_end_is_a_reset(client: monitoring_v3.MetricServiceClient) -> None:
    client.create_time_series(name=PROJECT, time_series=[series(9)])
    client.create_time_series(name=PROJECT, time_series=[series(1, at=20, since=1)])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([series()] * 201, "1 to 200 are allowed"),
        ([series(), series(at=10)], "Only one point can be written per TimeSeries per request"),
        ([series(since=0)], "start time must be before the end time"),
        ([series(since=-60, kind=GAUGE)], "equal to the end time for the gauge"),
        ([series(at=24 * 3600)], "in the future"),  # from when the tests were gathered, which may be long ago
        ([series(at=-26 * 3600, since=-27 * 3600)], "in the past"),
        ([series({"count": 2, "bucket_counts": [1]})], "equal to the count"),
        ([series({"bucket_options": {"explicit_buckets": {"bounds": [2, 1]}}})], "monotonically"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_rule_is_named(
    client: monitoring_v3.MetricServiceClient, given: list[monitoring_v3.TimeSeries], told: str
) -> None:
    assert told in refusal(client, *given).message


def test_only_places_for_custom_metrics_are_taken(client: monitoring_v3.MetricServiceClient) -> None:
    wrong = series()
    wrong.resource.type = "cloud_run_revision"
    assert "Unrecognized monitored resource" in refusal(client, wrong).message
    wrong = series()
    del wrong.resource.labels["task_id"]
    assert "must be job, location, namespace, project_id, task_id" in refusal(client, wrong).message


def test_one_wrong_series_does_not_cost_the_others(client: monitoring_v3.MetricServiceClient) -> None:
    client.create_time_series(name=PROJECT, time_series=[series(1, outcome="old")])
    error = refusal(client, series(1, outcome="new"), series(2, outcome="old"), series(3, outcome="other"))
    assert "timeSeries[1]" in error.message
    (detail,) = error.details
    summary = monitoring_v3.CreateTimeSeriesSummary.pb()()
    assert detail.Unpack(summary)
    assert (summary.total_point_count, summary.success_point_count) == (3, 2)
    assert [(each.point_count, "older end time" in each.status.message) for each in summary.errors] == [(1, True)]
    assert len(listed(client, 'metric.type = "custom.googleapis.com/perkie/calls"')) == 3


def test_what_is_not_emulated_says_so(client: monitoring_v3.MetricServiceClient) -> None:
    request = {"name": PROJECT, "filter": 'metric.type = "x"', "aggregation": {"alignment_period": {"seconds": 60}}}
    with pytest.raises(MethodNotImplemented, match="not emulated"):
        client.list_time_series(request=request)
    assert "not understood" in _filter_refused(client, "metric.type = starts_with()")
    assert "single metric type" in _filter_refused(client, 'resource.type = "generic_task"')


def _filter_refused(client: monitoring_v3.MetricServiceClient, text: str) -> str:
    with pytest.raises(InvalidArgument) as caught:
        listed(client, text)
    return str(caught.value.message)


def test_it_fails_as_planned(client: monitoring_v3.MetricServiceClient, emulator: MonitoringEmulator) -> None:
    emulator.faults.set([RpcFault(kind=RpcFaultKind.ERROR, method="CreateTimeSeries", first=1)])
    with pytest.raises(ServiceUnavailable):
        client.create_time_series(name=PROJECT, time_series=[series()])
    client.create_time_series(name=PROJECT, time_series=[series()])
    assert emulator.counts["UNAVAILABLE"] == 1
