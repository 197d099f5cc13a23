"""Counts of a revision from its metrics page, over several instances."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from perkie_cli.domain.deploy.gate import Counts, Rule
from perkie_cli.ops.deploy.prometheus import PrometheusSamples
from tests.clock import ManualClock
from tests.scripted_server import Behaviour, answers, hangs_up, scripted

BEGAN = datetime(2026, 11, 30, tzinfo=UTC)
ERRORS = Rule("error_rate", "", 0.02)
SLOW = Rule("generation", "", 0.05, seconds=15.0, route="/api/v1/generate")
RULES = [ERRORS, SLOW]


def page(started: float, good: int, bad: int, slow: int = 0) -> Behaviour:
    """``started``: seconds after BEGAN."""
    route, total = "/api/v1/generate", good + bad
    text = f"""\
perkie_requests_total{{method="POST",route="{route}",status="200"}} {good}.0
perkie_requests_total{{method="POST",route="/apps/perkie{route}",status="503"}} {bad}.0
perkie_requests_total{{method="GET",route="/health",status="500"}} 77.0
perkie_request_seconds_bucket{{le="10.0",route="{route}"}} {total - slow - 1}.0
perkie_request_seconds_bucket{{le="15.0",route="{route}"}} {total - slow}.0
perkie_request_seconds_bucket{{le="+Inf",route="{route}"}} {total}.0
perkie_request_seconds_bucket{{le="+Inf",route="/other"}} 55.0
process_start_time_seconds {(BEGAN + timedelta(seconds=started)).timestamp()}
"""
    return answers(200, text.encode())


async def read(*pages: Behaviour, times: int = 0) -> list[dict[str, Counts]]:
    samples = PrometheusSamples(ManualClock(BEGAN))
    with scripted(*pages) as server:
        found = [dict((await samples.since("r", server.url, BEGAN, RULES)).counts) for _ in range(times or len(pages))]
    await samples.aclose()
    return found


async def test_counts_begin_where_the_first_read_was() -> None:
    first, second = await read(page(-60, 1000, 500), page(-60, 1010, 505, slow=2))
    assert first["error_rate"] == Counts(0, 0)
    assert second["error_rate"] == Counts(5, 15)  # health is nothing that customers ask for
    assert second["generation"] == Counts(2, 15)


async def test_an_instance_that_starts_later_counts_from_its_first_answer() -> None:
    *_, last = await read(page(-60, 100, 0), page(30, 40, 2), page(-60, 110, 1), page(30, 50, 2))
    assert last["error_rate"] == Counts(1 + 2, 11 + 52)


async def test_what_cannot_be_read_ages_and_is_told() -> None:
    clock = ManualClock(BEGAN)
    samples = PrometheusSamples(clock, {"X-API-Key": "k"})
    with scripted(page(30, 1, 0), answers(403), hangs_up) as server:
        assert (await samples.since("r", server.url, BEGAN, RULES)).age == 0
        clock.advance(7)
        later = await samples.since("r", server.url, BEGAN, RULES)
        assert (later.age, later.counts["error_rate"]) == (7, Counts(0, 1))
        assert samples.trouble["r"].endswith("/metrics answers 403; give a key with the scope metrics by -H")
        await samples.since("r", server.url, BEGAN, RULES)
        assert "RemoteProtocolError" in samples.trouble["r"] or "ReadError" in samples.trouble["r"]
        assert server.requests[0][1]["x-api-key"] == "k"
        assert server.requests[0][1]["connection"] == "close"
    assert (await samples.since("s", "", BEGAN, RULES)).age is None
    assert samples.trouble["s"] == "s has no address of its own"
    await samples.aclose()


@pytest.mark.parametrize("body", [b"", b"<html>", b"perkie_requests_total 1", b"\xff\xfe"])
async def test_another_page_has_no_answers(body: bytes) -> None:
    (found,) = await read(answers(200, body))
    assert found["error_rate"] == Counts(0, 0)
