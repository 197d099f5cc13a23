"""The server's metrics in Cloud Monitoring, by Google's client and under Google's rules."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from google.api.metric_pb2 import MetricDescriptor
from google.cloud import monitoring_v3

from perkie_cli.config.schema import Settings, TelemetrySettings
from perkie_cli.domain.errors import MissingCredentials, StoreUnavailable
from perkie_cli.emulators.monitoring.server import MonitoringEmulator
from perkie_cli.emulators.rpc_faults import RpcFault, RpcFaultKind
from perkie_cli.telemetry.catalogue import CATALOGUE
from perkie_cli.telemetry.cloud_monitoring import CloudMonitoring, connect_to_monitoring
from perkie_cli.telemetry.instance import Instance, find_instance
from perkie_cli.telemetry.measures import Measures
from tests.clock import ManualClock
from tests.http_server import running, server_log
from tests.monitoring import monitoring_thread

INSTANCE = Instance("perkie", "europe-west1", "task-1", "perkie-00042")
SINK = Settings(telemetry=TelemetrySettings(monitoring=True, flush_every=timedelta(0), project="p"))


@pytest.fixture
def emulator(clock: ManualClock) -> Iterator[MonitoringEmulator]:
    with monitoring_thread(clock) as emulator:
        yield emulator


@pytest.fixture
def measures() -> Measures:
    return Measures()


@pytest.fixture
def sink(emulator: MonitoringEmulator, measures: Measures, clock: ManualClock) -> Iterator[CloudMonitoring]:
    made = CloudMonitoring(measures, clock, lambda: connect_to_monitoring("p", emulator.address), lambda: INSTANCE)
    yield made
    made.close()


def kept(emulator: MonitoringEmulator, name: str) -> list[Any]:
    wanted = f"custom.googleapis.com/perkie/{name}"
    return [each for each in emulator.time_series.series.values() if each.metric.type == wanted]


def test_each_kind_of_metric_is_read_back_as_it_was(
    sink: CloudMonitoring, measures: Measures, emulator: MonitoringEmulator, clock: ManualClock
) -> None:
    measures.add("pictures", "ink_wash", "gemini", "miss", "ok", by=3)
    measures.add("spent_usd", "nano", "billed", by=0.25)
    measures.set("breaker_state", "gemini", to=2)
    for seconds in (2.0, 6.0, 40.0):
        measures.observe("picture_seconds", "miss", value=seconds)
    clock.advance(60)
    sink.write(5)
    client, _ = connect_to_monitoring("p", emulator.address)
    interval = {"end_time": clock.now(), "start_time": clock.now() - timedelta(hours=1)}
    text = 'metric.type = "custom.googleapis.com/perkie/pictures" AND metric.labels.outcome = "ok"'
    (series,) = client.list_time_series(request={"name": "projects/p", "filter": text, "interval": interval})
    assert dict(series.metric.labels) == {
        **{"style": "ink_wash", "engine": "gemini", "cache": "miss", "outcome": "ok"},
        "revision": "perkie-00042",
    }
    assert dict(series.resource.labels) == {
        **{"project_id": "p", "location": "europe-west1", "namespace": "perkie", "job": "perkie", "task_id": "task-1"}
    }
    assert (series.metric_kind, series.points[0].value.int64_value) == (MetricDescriptor.CUMULATIVE, 3)
    assert series.points[0].interval.end_time - series.points[0].interval.start_time == timedelta(seconds=60)
    client.transport.close()
    assert kept(emulator, "spent_usd")[0].points[0].value.double_value == 0.25
    (breaker,) = kept(emulator, "breaker_state")
    assert (breaker.kind, breaker.points[0].value.double_value) == (MetricDescriptor.GAUGE, 2)
    spread = kept(emulator, "picture_seconds")[0].points[0].value.distribution_value
    assert (spread.count, spread.mean) == (3, 16)
    assert spread.sum_of_squared_deviation == pytest.approx(14**2 + 10**2 + 24**2)
    bounds = list(spread.bucket_options.explicit_buckets.bounds)
    assert bounds == list(CATALOGUE["picture_seconds"].buckets)
    assert {bounds[place]: count for place, count in enumerate(spread.bucket_counts) if count} == {2.5: 1, 10: 1, 60: 1}


def test_only_what_changed_is_written_again(
    sink: CloudMonitoring, measures: Measures, emulator: MonitoringEmulator, clock: ManualClock
) -> None:
    measures.add("rate_refusals", "ip")
    measures.add("rate_refusals", "session")
    sink.write(5)
    clock.advance(60)
    measures.add("rate_refusals", "ip")
    sink.write(5)
    series = {each.metric.labels["limit"]: each.points for each in kept(emulator, "rate_refusals")}
    assert [point.value.int64_value for point in series["ip"]] == [1, 2]
    assert [point.value.int64_value for point in series["session"]] == [1]


def test_a_call_has_200_series_at_most(sink: CloudMonitoring, measures: Measures, emulator: MonitoringEmulator) -> None:
    for status in range(200, 210):
        for route in range(41):
            measures.add("requests", "GET", f"/{route}", str(status))
    sink.write(5)
    assert emulator.counts["CreateTimeSeries"] == 3
    assert len(kept(emulator, "requests")) == 410


def test_a_refused_series_does_not_cost_the_others(
    sink: CloudMonitoring, measures: Measures, emulator: MonitoringEmulator, clock: ManualClock
) -> None:
    wrong = monitoring_v3.CreateMetricDescriptorRequest.pb()().metric_descriptor
    wrong.type, wrong.metric_kind, wrong.value_type = CATALOGUE["uploads"].in_monitoring, 1, 3
    emulator.time_series.descriptors[wrong.type] = wrong
    measures.add("rate_refusals", "ip")
    measures.add("uploads", "stored")
    measures.add("queue_refusals", "drawing")
    with pytest.raises(StoreUnavailable, match=r"1 of 3 series were refused.*kind and value type"):
        sink.write(5)
    assert kept(emulator, "rate_refusals")
    assert kept(emulator, "queue_refusals")
    del emulator.time_series.descriptors[wrong.type]
    clock.advance(60)
    sink.write(5)
    assert [len(kept(emulator, name)[0].points) for name in ("uploads", "rate_refusals")] == [1, 1]


def test_a_failed_write_loses_nothing(
    sink: CloudMonitoring, measures: Measures, emulator: MonitoringEmulator, clock: ManualClock
) -> None:
    emulator.faults.set([RpcFault(kind=RpcFaultKind.ERROR, first=1)])
    measures.add("uploads", "stored")
    with pytest.raises(StoreUnavailable, match="ServiceUnavailable"):
        sink.write(5)
    clock.advance(60)
    measures.add("uploads", "stored")
    sink.write(5)
    assert [point.value.int64_value for point in kept(emulator, "uploads")[0].points] == [2]


@pytest.mark.parametrize("passed", [0.5, -3600.0])
def test_points_go_forward_whatever_the_clock_does(
    sink: CloudMonitoring, measures: Measures, emulator: MonitoringEmulator, clock: ManualClock, passed: float
) -> None:
    for _ in range(3):
        measures.add("uploads", "stored")
        sink.write(5)
        clock.advance(passed)
        emulator.clock.set(-3 * passed)
    assert [point.value.int64_value for point in kept(emulator, "uploads")[0].points] == [1, 2, 3]


async def test_requests_flush_and_the_end_brings_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monitoring_thread() as now:
        monkeypatch.setenv("MONITORING_EMULATOR_HOST", now.address)
        async with running(settings=SINK) as server:
            assert (await server.generate(session_id="s1")).status_code == 200
            assert (await server.generate(session_id="s1")).status_code == 200
        assert now.counts["CreateTimeSeries"] >= 2
        (miss, hit) = sorted(kept(now, "pictures"), key=lambda each: each.metric.labels["cache"], reverse=True)
        assert (miss.metric.labels["cache"], miss.points[-1].value.int64_value) == ("miss", 1)
        assert (hit.metric.labels["cache"], hit.points[-1].value.int64_value) == ("hit", 1)
        assert kept(now, "memory_bytes")


@pytest.mark.parametrize("kind", [RpcFaultKind.HANG, RpcFaultKind.ERROR, None])
async def test_a_broken_monitoring_costs_no_request_and_is_told_once(
    kind: RpcFaultKind | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monitoring_thread() as emulator:
        emulator.faults.set([RpcFault(kind=kind)] if kind else [])
        monkeypatch.setenv("MONITORING_EMULATOR_HOST", emulator.address if kind else "127.0.0.1:1")
        with server_log() as log:
            async with running(settings=SINK) as server:
                for _ in range(6):
                    assert (await server.client.get("/health")).status_code == 200
                assert (await server.generate()).status_code == 200
        told = [line for line in log.getvalue().splitlines() if "WARNING store_failed: store=monitoring" in line]
    assert len(told) == 1, log.getvalue()
    assert "request=" not in told[0], "it was no request's fault"


def test_on_cloud_run_the_instance_is_that_of_the_metadata_server() -> None:
    class Metadata(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = {"id": "00c61b117c", "region": "projects/1/regions/europe-west1"}[self.path.rpartition("/")[2]]
            assert self.headers["Metadata-Flavor"] == "Google"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(found.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Metadata) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{server.server_port}"
        environ = {"K_SERVICE": "artistic", "K_REVISION": "artistic-7", "GCE_METADATA_HOST": place}
        assert find_instance(environ, 8080) == Instance("artistic", "europe-west1", "00c61b117c", "artistic-7")
        server.shutdown()
    assert ":8080/" in find_instance(environ, 8080).task
    here = find_instance({}, 8080)
    assert here.task != find_instance({}, 8080).task, "that of the server before it"
    assert (here.job, here.location, here.revision) == ("perkie", "global", None)


def test_without_credentials_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(MissingCredentials, match="no Google credentials for Cloud Monitoring"):
        connect_to_monitoring("p", None)
