"""What the doctor learns of Google's side: TTL policies, and what is left of the limits of a running server."""

from __future__ import annotations

import json

import pytest

from perkie_cli.ops.doctor.said import Level
from perkie_cli.ops.doctor.server import Server, limits
from tests.conftest import Perkie
from tests.firestores import emulator_thread
from tests.scripted_server import answers, scripted

SINKS = ("--only", "telemetry.sinks", "--time-limit", "60", "--json")


@pytest.mark.parametrize(("field", "level"), [("expire_at", "ok"), ("another", "warning")])
def test_collections_without_a_ttl_policy_are_told(
    perkie_here: Perkie, monkeypatch: pytest.MonkeyPatch, field: str, level: str
) -> None:
    with emulator_thread(ttl_field=field) as emulator:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", emulator.address)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
        monkeypatch.setenv("PERKIE_QUOTA_STORE", "firestore")
        done = perkie_here("doctor", "--only", "firestore.ttl", "--time-limit", "60", "--json")
    found = json.loads(done.stdout)["results"]
    assert {each["level"] for each in found} == {level}
    if level == "warning":
        assert found[0]["fix"] == (
            "gcloud firestore fields ttls update expire_at --enable-ttl --collection-group=perkie_quota"
        )
        assert len(found) == 4


def test_without_firestore_nobody_looks(perkie_here: Perkie) -> None:
    (row,) = json.loads(perkie_here("doctor", "--only", "firestore.ttl", "--json").stdout)["results"]
    assert row["level"] == "skipped"


@pytest.mark.parametrize(
    ("env", "level", "told"),
    [
        ({}, "ok", "no traces"),
        ({"PERKIE_TELEMETRY_MONITORING": "true"}, "warning", "none is set"),
        ({"PERKIE_TELEMETRY_MONITORING": "true", "GOOGLE_CLOUD_PROJECT": "prints"}, "ok", "project prints"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "warning", "127.0.0.1:1 does not answer"),
    ],
)
def test_where_metrics_and_traces_go(
    perkie_here: Perkie, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], level: str, told: str
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    (row,) = json.loads(perkie_here("doctor", *SINKS).stdout)["results"]
    assert (row["level"], told in row["message"]) == (level, True), row


def test_a_collector_that_answers_is_fine(perkie_here: Perkie, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(answers()) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        (row,) = json.loads(perkie_here("doctor", *SINKS).stdout)["results"]
        (offline,) = json.loads(perkie_here("doctor", "--only", "telemetry.sinks", "--offline", "--json").stdout)[
            "results"
        ]
    assert (row["level"], offline["level"]) == ("ok", "skipped")


METRICS = """
perkie_upstream_quota_share{quota="calls_per_minute",upstream="gemini"} 0.05
perkie_upstream_quota_share{quota="calls_per_day",upstream="gemini"} 0.91
perkie_spend_cap_share 0.2
"""


@pytest.mark.parametrize(
    ("status", "body", "level", "told"),
    [
        (200, METRICS, Level.WARNING, "91 % of calls_per_day of gemini is used"),
        (
            200,
            METRICS.replace("0.91", "0.1"),
            Level.OK,
            "used: 5 % of calls_per_minute of gemini, 10 % of calls_per_day",
        ),
        (200, METRICS.replace("0.91", "0").replace("0.2", "0.85"), Level.WARNING, "85 % of the day's cap is used"),
        (200, "", Level.OK, "no call upstream yet"),
        (403, "", Level.SKIPPED, "perkie keys create on-call --scope metrics"),
    ],
)
async def test_what_is_left_of_a_server_s_limits(status: int, body: str, level: Level, told: str) -> None:
    with scripted(answers(status, body.encode())) as server:
        (said,) = await limits(Server(server.url))
    assert said.level is level
    assert told in said.message
