"""Events and readings become the metrics of the table, and nothing of it stays without a value."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from perkie_cli.domain import events
from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.domain.events import Event, NoEvents
from perkie_cli.domain.money.spend import Purchase, Usage
from perkie_cli.ports import SpendLedger
from perkie_cli.stores.ledger_documents import DocumentLedger
from perkie_cli.stores.memory import MemoryDocuments
from perkie_cli.telemetry.catalogue import CATALOGUE
from perkie_cli.telemetry.counting import Counting
from perkie_cli.telemetry.fanout import Fanout
from perkie_cli.telemetry.measures import Distribution, Measures
from perkie_cli.telemetry.prometheus import Exposition
from perkie_cli.telemetry.readings import Readings, memory
from tests.clock import ManualClock
from tests.events import Recorder

SAMPLES: tuple[Event, ...] = (
    events.Started("listening", 1.5),
    events.Arrived(),
    events.Answered("POST", "/api/v1/generate", 200, 0.3),
    events.PictureEnded("ink_wash", "gemini", "nano", "miss", "ok", 6.0),
    events.CutoutEnded("builtin", "u2netp", "hit", "ok", 0.02),
    events.UploadEnded("stored", 0.05),
    events.QueueChanged("drawing", 3),
    events.WaitEnded("drawing", 0.7),
    events.WorkRefused("cutting_out"),
    events.QuotaUsed("customer", "refused"),
    events.RateRefused("session"),
    events.CacheLookup("near", "ink_wash", 0.004),
    events.StoreFailed("firestore:p/(default)", "reserve", "no answer"),
    events.BreakerChanged("gemini", "closed", "open", 60.0),
    events.UpstreamCalled("gemini", 1, "upstream_timeout", 40.0),
    events.UpstreamSpared("gemini", "breaker_open"),
    events.UpstreamRetried("gemini", "upstream_timeout", 2.0, 1, 0.0, "no answer"),
    events.Spent("nano", Decimal("0.0357"), possible=False, input_tokens=1500, output_tokens=1120),
    events.Degraded("ink_wash", "upstream_timeout", "local", "local", "no answer"),
)


@pytest.fixture
def counting(clock: ManualClock) -> Counting:
    return Counting(Measures(), clock)


def count(counting: Counting, *happened: Event) -> None:
    fanout = Fanout([counting], NoEvents())
    for event in happened:
        fanout.emit(event)


def values(measures: Measures) -> dict[tuple[str, ...], float | Distribution]:
    return {(each.metric.name, *each.labels.values()): each.value for each in measures.read()}


async def ledger_of_three_days(clock: ManualClock) -> DocumentLedger:
    """A dollar on each of the two days before, and three today."""
    documents = MemoryDocuments()
    for days, dollars in ((2, 1), (1, 1), (0, 3)):
        then = DocumentLedger(documents, ManualClock(clock.now() - timedelta(days=days)), random.Random(days))
        booking = await then.reserve(Purchase("nano", "ink_wash"), Decimal(dollars), Decimal(10))
        await then.settle(booking, Usage(1, 10, 10, Decimal(dollars)), drawn=True)
    return DocumentLedger(documents, clock, random.Random(1))


def readings(counting: Counting, clock: ManualClock, ledger: SpendLedger) -> Readings:
    shares: Mapping[str, Mapping[str, float]] = {"gemini": {"calls_per_minute": 0.5}}
    return Readings(counting, clock, ledger=ledger, cap=Decimal(10), upstream=lambda: shares)


async def test_every_metric_of_the_table_is_fed(counting: Counting, clock: ManualClock) -> None:
    count(counting, *SAMPLES)
    clock.advance(30)
    await readings(counting, clock, await ledger_of_three_days(clock)).take()
    fed = {name for name, *_ in values(counting.measures)}
    assert set(CATALOGUE) - fed <= {"memory_share"}, "a metric that nothing counts"  # only in a container
    assert all("other" not in key for key in values(counting.measures)), "a value that its label does not list"


def test_every_event_is_passed_on_and_each_counted_kind_has_a_sample(clock: ManualClock) -> None:
    seen = Recorder()
    counting = Counting(Measures(), clock)
    fanout = Fanout([counting], seen)
    for event in (*SAMPLES, events.StoreAnswered("disk:/x", "read")):
        fanout.emit(event)
    assert seen.events == [*SAMPLES, events.StoreAnswered("disk:/x", "read")]
    assert counting.counted == {type(event) for event in SAMPLES}


async def test_what_is_counted(counting: Counting, clock: ManualClock) -> None:
    count(counting, *SAMPLES)
    clock.advance(30)
    await readings(counting, clock, await ledger_of_three_days(clock)).take()
    now = values(counting.measures)
    assert now["requests", "POST", "/api/v1/generate", "200"] == 1
    assert now["requests_in_flight",] == 0
    assert now["spent_usd", "nano", "billed"] == pytest.approx(0.0357)
    assert now["tokens", "nano", "output"] == 1120
    assert now["store_failures", "firestore", "reserve"] == 1
    assert now["queue_waiting", "drawing"] == 3
    assert now["spend_today_usd",] == 3
    assert now["spend_cap_share",] == pytest.approx(0.3)
    assert now["spend_over_average",] == pytest.approx(3)
    assert now["upstream_quota_share", "gemini", "calls_per_minute"] == 0.5


def test_a_failure_takes_no_place_among_the_times_to_a_picture(counting: Counting) -> None:
    for outcome, seconds in (("ok", 1.0), ("degraded", 2.0), ("upstream_timeout", 50.0), ("cancelled", 0.1)):
        count(counting, events.PictureEnded("ink_wash", "gemini", "nano", "miss", outcome, seconds))
    spread = values(counting.measures)["picture_seconds", "miss"]
    assert isinstance(spread, Distribution)
    assert (spread.count, spread.sum) == (2, 3.0)


def test_a_breaker_s_open_time_goes_on_between_its_events(counting: Counting, clock: ManualClock) -> None:
    def open_for() -> float | Distribution:
        counting.bring_up_to_date()
        return values(counting.measures)["breaker_open_seconds", "gemini"]

    count(counting, events.BreakerChanged("gemini", "closed", "open", 60.0))
    clock.advance(10)
    assert open_for() == 10
    clock.advance(50)
    count(counting, events.BreakerChanged("gemini", "open", "half_open", 60.0))
    count(counting, events.BreakerChanged("gemini", "half_open", "open", 120.0))
    clock.advance(5)
    assert open_for() == 65
    count(counting, events.BreakerChanged("gemini", "half_open", "closed", 60.0))
    clock.advance(500)
    assert open_for() == 65
    now = values(counting.measures)
    assert now["breaker_openings", "gemini", "faults"] == now["breaker_openings", "gemini", "probe"] == 1
    assert now["breaker_state", "gemini"] == 0


def test_a_value_on_a_bound_is_in_the_bucket_that_ends_there() -> None:
    measures = Measures()
    for seconds in (15.0, 15.001, 500.0):
        measures.observe("request_seconds", "/x", value=seconds)
    text = Exposition(measures).text().decode()
    assert 'perkie_request_seconds_bucket{le="10",route="/x"} 0.0' in text
    assert 'perkie_request_seconds_bucket{le="15",route="/x"} 1.0' in text
    assert 'perkie_request_seconds_bucket{le="30",route="/x"} 2.0' in text
    assert 'perkie_request_seconds_bucket{le="+Inf",route="/x"} 3.0' in text


def test_prometheus_own_parser_reads_every_metric(counting: Counting) -> None:
    count(counting, *SAMPLES)
    families = {
        each.name: each for each in text_string_to_metric_families(Exposition(counting.measures).text().decode())
    }
    kinds = {"counter": "counter", "gauge": "gauge", "distribution": "histogram"}
    for name, metric in CATALOGUE.items():
        assert families[f"perkie_{name}"].type == kinds[metric.kind]
    labels = [each.labels for each in families["perkie_pictures"].samples if each.name == "perkie_pictures_total"]
    assert labels == [{"style": "ink_wash", "engine": "gemini", "cache": "miss", "outcome": "ok"}]


def test_threads_lose_no_count() -> None:
    measures = Measures()

    def work() -> None:
        for _ in range(2000):
            measures.add("rate_refusals", "ip")
            measures.observe("upload_seconds", value=0.01)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = values(measures)
    spread = now["upload_seconds",]
    assert isinstance(spread, Distribution)
    assert (now["rate_refusals", "ip"], spread.count) == (8000, 8000)


class DownLedger(DocumentLedger):
    async def spent(self, day: date) -> Decimal:
        raise StoreUnavailable("no answer")


async def test_a_ledger_that_is_down_costs_nothing_but_its_readings(counting: Counting, clock: ManualClock) -> None:
    await readings(counting, clock, DownLedger(MemoryDocuments(), clock, random.Random(1))).take()
    now = values(counting.measures)
    assert ("spend_today_usd",) not in now
    assert ("upstream_quota_share", "gemini", "calls_per_minute") in now


def test_memory_is_a_share_of_the_container_s_limit(tmp_path: Path) -> None:
    (tmp_path / "now").write_text("750\n")
    (tmp_path / "most").write_text("1000\n")
    (tmp_path / "none").write_text("max\n")
    places = [(str(tmp_path / "now"), str(tmp_path / name)) for name in ("absent", "none", "most")]
    assert memory(tuple(places))["memory_share"] == 0.75
    assert "memory_share" not in memory(tuple(places[:2]))
    assert memory()["memory_bytes"] > 1_000_000
