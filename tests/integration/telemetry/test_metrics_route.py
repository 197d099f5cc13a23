"""What ``/metrics`` shows of real requests."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from perkie_cli.config.schema import HttpSettings
from perkie_cli.domain.errors import UpstreamTimeout
from perkie_cli.telemetry.catalogue import CATALOGUE
from tests.http_server import API_KEY, OTHER_KEY, Running, running, secured


async def metrics(server: Running) -> dict[str, float]:
    """Samples by name and labels, as Prometheus writes them."""
    text = (await server.client.get("/metrics")).text
    return {name: float(value) for name, value in re.findall(r"^(perkie_\S+) (\S+)$", text, flags=re.M)}


async def test_each_answer_is_in_the_metrics() -> None:
    async with running(replace(HttpSettings(), rate_session=1000, rate_ip=1000, rate_burst=1000)) as server:
        for _ in range(2):
            assert (await server.generate(session_id="s1")).status_code == 200  # drawn, then found
        server.engine.errors["van_gogh_post_impressionism"] = UpstreamTimeout("no answer")
        assert (await server.generate(session_id="s1", style="classic")).json()["degraded"]
        for session, style in (("s1", "perkie_print"), ("s2", "ink_wash"), ("s1", "nonsense")):
            await server.generate(session_id=session, style=style)
        assert (await server.client.get("/images/no-such-image")).status_code == 404
        assert (await server.client.get("/nowhere")).status_code == 404
        now = await metrics(server)
    pictures = {key: value for key, value in now.items() if key.startswith("perkie_pictures_total")}
    drawn = 'engine="negative",outcome="ok",style="ink_wash"'
    assert pictures == {
        f'perkie_pictures_total{{cache="miss",{drawn}}}': 1,
        f'perkie_pictures_total{{cache="hit",{drawn}}}': 1,
        f'perkie_pictures_total{{cache="shared",{drawn}}}': 1,
        'perkie_pictures_total{cache="miss",engine="negative",outcome="ok",style="bw_fine_art"}': 1,
        'perkie_pictures_total{cache="miss",engine="local",outcome="degraded",style="van_gogh_post_impressionism"}': 1,
    }
    assert now['perkie_degraded_total{reason="upstream_timeout",step="local"}'] == 1
    assert now['perkie_quota_uses_total{outcome="committed",tier="session"}'] == 2
    assert now['perkie_quota_uses_total{outcome="released",tier="session"}'] == 1, "a substitute is free"
    assert now['perkie_requests_total{method="POST",route="/api/v1/generate",status="422"}'] == 1
    assert now['perkie_requests_total{method="GET",route="unmatched",status="404"}'] == 1
    assert now["perkie_requests_in_flight"] == 1, "the one that asks"
    assert now['perkie_uploads_total{outcome="stored"}'] == 2
    assert now['perkie_picture_seconds_count{cache="hit"}'] == 1
    assert now["perkie_memory_bytes"] > 1_000_000
    assert not any("no-such-image" in key or "s1" in key for key in now)


async def test_refusals_are_in_the_metrics(home: Path) -> None:
    async with running(secured(home, rate_ip=3, rate_burst=3)) as server:
        answers = [await server.generate(headers={"X-API-Key": API_KEY}) for _ in range(5)]
        text = (await server.client.get("/metrics", headers={"X-API-Key": OTHER_KEY})).text
    assert [each.status_code for each in answers] == [200, 200, 200, 429, 429]
    assert 'perkie_rate_refusals_total{limit="ip"} 2.0' in text


async def test_a_client_makes_no_labels_and_every_metric_is_shown_before_its_first_value() -> None:
    async with running() as server:
        for method in ("GET", "DELETE"):
            for number in range(3):
                await server.client.request(method, f"/made-up-{number}")
        text = (await server.client.get("/metrics")).text
    found = re.findall(r"^perkie_requests_total\{(.*)\} (\S+)$", text, flags=re.M)
    assert sorted(found) == [
        ('method="GET",route="unmatched",status="404"', "3.0"),
        ('method="other",route="unmatched",status="404"', "3.0"),
    ]
    for metric in CATALOGUE.values():
        assert f"# HELP {metric.in_prometheus} {metric.help}" in text
