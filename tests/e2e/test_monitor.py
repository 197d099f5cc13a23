"""``perkie monitor`` as a process against the emulated Cloud Monitoring."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.cloud import monitoring_v3
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcTransport

from perkie_cli.emulators.fault_plan import parse_faults
from perkie_cli.emulators.monitoring.server import MonitoringEmulator
from perkie_cli.emulators.rpc_faults import RpcFault
from tests.conftest import Perkie
from tests.monitoring import monitoring_thread
from tests.serving import perkie_serve

BEGAN = datetime.now(UTC) - timedelta(hours=1)
COUNT = 59  # resources of slo.yaml without channels and uptime check


@pytest.fixture
def emulator() -> Iterator[MonitoringEmulator]:
    with monitoring_thread() as made:
        yield made


def told(perkie: Perkie, emulator: MonitoringEmulator, *args: str) -> tuple[int, dict[str, Any]]:
    """Exit code and envelope."""
    done = perkie("monitor", *args, "--json", env={"MONITORING_EMULATOR_HOST": emulator.address})
    return done.returncode, json.loads(done.stdout)


def test_apply_stops_at_a_failure_says_how_far_it_got_and_runs_again(
    perkie: Perkie, emulator: MonitoringEmulator
) -> None:
    code, shown = told(perkie, emulator, "apply", "--check")
    assert (code, shown["summary"]["pending"]) == (8, COUNT)
    assert not emulator.configuration.counts["policies"], "a check writes nothing"
    plan = {"fault": [{"kind": "error", "method": "CreateAlertPolicy", "code": "PERMISSION_DENIED"}]}
    emulator.faults.set(parse_faults(plan, RpcFault))
    code, shown = told(perkie, emulator, "apply", "--yes")
    assert code == 4
    made = len(shown["results"])
    assert f"made {made} of {COUNT} changes" in shown["error"]["message"]
    assert "The same command makes the rest." in shown["error"]["hint"]
    emulator.faults.set(())
    code, shown = told(perkie, emulator, "apply", "--yes")
    assert (code, len(shown["results"])) == (0, COUNT - made)
    code, shown = told(perkie, emulator, "apply", "--check")
    assert (code, shown["summary"]) == (0, {"changed": False, "pending": 0, "same": COUNT})


def test_live_shows_what_an_alert_sees(perkie: Perkie, emulator: MonitoringEmulator) -> None:
    failing_calls(emulator)
    code, shown = told(perkie, emulator, "show", "--live", "--only", "gemini-success,breaker-open")
    assert code == 0
    assert shown["summary"] == {"firing": ["gemini-success"]}
    share, least, breaker = shown["results"]
    assert share["value"] == pytest.approx(0.5)
    assert (share["threshold"], share["fires"]) == (0.05, True)
    assert least["value"] == 30
    assert share["age"] < 120
    assert (breaker["value"], breaker["fires"], breaker["age"]) == (None, False, None)


def test_a_server_that_follows_another_on_its_machine_has_series_of_its_own(
    emulator: MonitoringEmulator, tmp_path: Path
) -> None:
    """The last points of the first lie up to ten seconds ahead: Google takes two of a series no closer together."""
    env = {
        **{"MONITORING_EMULATOR_HOST": emulator.address, "PERKIE_TELEMETRY_MONITORING": "true"},
        **{"PERKIE_STYLE_ENGINE": "local", "GOOGLE_CLOUD_PROJECT": "perkie"},
    }
    for _ in range(2):
        with perkie_serve(tmp_path, env=env) as server:
            for _ in range(3):
                assert httpx.get(f"{server.url}/health", timeout=60).status_code == 200
            assert server.stop() == 0
        assert "store=monitoring" not in server.log
    requests = [each for each in emulator.time_series.series.values() if each.metric.type.endswith("perkie/requests")]
    assert [each.points[-1].value.int64_value for each in requests] == [3, 3]
    assert len({each.resource.labels["task_id"] for each in requests}) == 2


def failing_calls(emulator: MonitoringEmulator) -> None:
    """A server that wrote 30 good and 30 failed calls within the last three minutes."""
    channel = grpc.insecure_channel(emulator.address)
    client = monitoring_v3.MetricServiceClient(transport=MetricServiceGrpcTransport(channel=channel))
    now = datetime.now(UTC) - timedelta(seconds=10)
    for at in range(4):
        series = [written(outcome, 10 * at, now - timedelta(minutes=3 - at)) for outcome in ("ok", "upstream_timeout")]
        client.create_time_series(name="projects/perkie", time_series=series)
    channel.close()


def written(outcome: str, value: int, end: datetime) -> monitoring_v3.TimeSeries:
    labels = {"upstream": "gemini", "outcome": outcome, "revision": "r1"}
    task = {"project_id": "perkie", "location": "l", "namespace": "n", "job": "j", "task_id": "t"}
    interval = {"start_time": BEGAN, "end_time": end}
    return monitoring_v3.TimeSeries(
        metric={"type": "custom.googleapis.com/perkie/upstream_calls", "labels": labels},
        resource={"type": "generic_task", "labels": task},
        metric_kind="CUMULATIVE",
        points=[{"interval": interval, "value": {"int64_value": value}}],
    )


def test_a_wrong_file_is_refused_with_its_line_before_anything_is_asked(perkie: Perkie, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("apiVersion: perkie/v1\nkind: Alert\nmetadata: {name: x}\nspec: {}\n")
    done = perkie("monitor", "diff", "--slo", file, env={"MONITORING_EMULATOR_HOST": "127.0.0.1:1"})
    assert done.returncode == 3
    assert f"{file}:3: " in done.stderr
    assert "perkie.dev/runbook" in done.stderr
    done = perkie("monitor", "show", "--only", "memry")
    assert done.returncode == 2
    assert "Did you mean 'memory'?" in done.stderr
