"""What no waiting mends tells whoever is on call at the first picture: from the real fault to the alert."""

from __future__ import annotations

from pathlib import Path

import pytest

from perkie_cli.bootstrap import Services
from perkie_cli.config.levels.reading import read_levels
from perkie_cli.domain.people.identity import Owner
from perkie_cli.emulators.gemini.plan import GeminiPlan
from perkie_cli.telemetry.counting import Counting
from perkie_cli.telemetry.measures import Measures
from tests.events import Recorder
from tests.integration.pictures.test_gemini_outage import asking, serving
from tests.jumping_loop import LoopClock

pytestmark = pytest.mark.jumping

ALERTS = {alert.name: alert.condition for alert in read_levels().alerts}
AT_ONCE = ("key-refused", "model-gone", "state-failures")


def fires(events: Recorder) -> list[str]:
    """Of the alerts that count single events those that these would raise."""
    counting = Counting(Measures(), LoopClock())
    for event in events.events:
        if (taken := counting.taker(type(event))) is not None:
            taken(event)
    return [name for name in AT_ONCE if _counted(counting.measures, name) > ALERTS[name].threshold]


def _counted(measures: Measures, name: str) -> float:
    series = ALERTS[name].series
    return sum(
        each.value
        for each in measures.read()
        if each.metric.name == series.metric
        and isinstance(each.value, float | int)
        and all(each.labels[label] in values for label, values in series.labels.items())
    )


def recorded(services: Services) -> Recorder:
    events = services.events
    assert isinstance(events, Recorder)
    return events


def break_file(services: Services, name: str) -> None:
    services.state_dir.mkdir(parents=True, exist_ok=True)
    (services.state_dir / name).write_bytes(b"no database at all" * 500)


async def test_a_refused_key(tmp_path: Path) -> None:
    async with serving(tmp_path, LoopClock(), accepts="another key") as (services, _):
        assert (await services.generate(asking())).degradation_reason == "wrong_credentials"
        assert fires(recorded(services)) == ["key-refused"]


async def test_a_model_that_was_shut_down(tmp_path: Path) -> None:
    async with serving(tmp_path, LoopClock()) as (services, emulator):
        emulator.plan = GeminiPlan.parse({"fault": [{"kind": "error", "status": 404}]})
        assert (await services.generate(asking())).degradation_reason == "model_gone"
        assert fires(recorded(services)) == ["model-gone"]


async def test_a_ledger_that_cannot_be_used(tmp_path: Path) -> None:
    async with serving(tmp_path, LoopClock()) as (services, emulator):
        break_file(services, "spend.sqlite")
        assert (await services.generate(asking())).degradation_reason == "corrupt_store"
        assert fires(recorded(services)) == ["state-failures"]
        assert emulator.total == 0


async def test_a_quota_store_that_cannot_be_used_although_everybody_is_served(tmp_path: Path) -> None:
    async with serving(tmp_path, LoopClock()) as (services, _):
        break_file(services, "quotas.sqlite")
        charge = services.quota_limits.charge(Owner.session("s1"), None)
        async with services.quotas.reserve(charge, 10) as reservation:
            await reservation.commit()
        assert services.quotas.degraded
        assert fires(recorded(services)) == ["state-failures"]


async def test_a_healthy_server_tells_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path, LoopClock()) as (services, _):
        assert (await services.generate(asking())).degradation_reason is None
        assert fires(recorded(services)) == []
