"""Every alert fires on a series that is bad, and on none that is well: over the conditions as Google gets them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from perkie_cli.config.levels.reading import read_levels
from perkie_cli.config.schema import MonitorSettings
from perkie_cli.domain.service_levels import Alert, Burn, Objective, Series
from perkie_cli.ops.monitor.evaluate import Evaluator
from perkie_cli.ops.monitor.live import indicators
from perkie_cli.ops.monitor.place import Place
from perkie_cli.ops.monitor.resources import resolved, wanted
from perkie_cli.ports.monitoring import Json, Kind, TimeSeries
from tests.monitoring_series import CHECK, NOW, bad, burning, counter, gauge, healthy

LEVELS = read_levels()
PLACE = Place.of("p", MonitorSettings(uptime_host="perkie.example"))
WANTED = list(wanted(LEVELS, PLACE))
POLICIES: Mapping[str, Json] = {
    each.id: resolved(each.body, {"@uptime check/artistic": CHECK}) for each in WANTED if each.kind is Kind.POLICY
}
BURNS = [(objective, burn) for objective in LEVELS.objectives for burn in objective.burns]


def fires(name: str, series: list[TimeSeries]) -> bool:
    return Evaluator(series, indicators(WANTED, PLACE)).policy(POLICIES[name], NOW).fires


def test_there_is_a_policy_for_every_alert() -> None:
    assert POLICIES.keys() == LEVELS.runbooks.keys()


@pytest.mark.parametrize("alert", LEVELS.alerts, ids=lambda alert: alert.name)
def test_an_alert_fires_when_it_is_bad_and_never_when_it_is_well(alert: Alert) -> None:
    assert fires(alert.name, bad(alert))
    for series in healthy(alert):
        assert not fires(alert.name, series)


@pytest.mark.parametrize(("objective", "burn"), BURNS, ids=lambda each: each.name)
def test_a_burn_rate_fires_and_ends_soon_after_the_failures(objective: Objective, burn: Burn) -> None:
    name = f"{objective.name}-{burn.name}"
    too_much = min(1.0, burn.factor * (1 - objective.target) * 1.2)
    assert fires(name, burning(objective, too_much, 10_000, burn.window))
    assert not fires(name, burning(objective, too_much * 0.7, 10_000, burn.window)), "it burns more slowly"
    assert not fires(name, burning(objective, 1.0, burn.least, burn.window)), "too few events to page anybody"
    over = [_earlier(each, burn.short) for each in burning(objective, too_much, 10_000, burn.window - burn.short)]
    again = burning(objective, 0.0, 1000, burn.short)
    assert not fires(name, [*over, *(_of_another(each) for each in again)]), "it is over"


def _earlier(series: TimeSeries, seconds: float) -> TimeSeries:
    moved = [type(p)(p.start, p.end - timedelta(seconds=seconds), p.value) for p in series.points]
    return TimeSeries(series.metric, series.labels, series.cumulative, moved)


def _of_another(series: TimeSeries) -> TimeSeries:
    """The same labels, of another server: its series is one of its own."""
    return TimeSeries(series.metric, dict(series.labels), series.cumulative, series.points)


def test_a_gap_neither_ends_nor_begins_what_lasts() -> None:
    """A server that gets few requests writes few points: the breaker is open between them, too."""
    alert = next(each for each in LEVELS.alerts if each.name == "breaker-open")
    whole = gauge(alert.condition.series, 2, alert.condition.lasting)
    *_, first, _, _, _, _, last = whole.points
    assert last.end - first.end == timedelta(minutes=5)
    assert fires(alert.name, [TimeSeries(whole.metric, whole.labels, False, [first, last])])
    assert not fires(alert.name, [TimeSeries(whole.metric, whole.labels, False, [last])]), "open for how long?"
    assert not fires(alert.name, [TimeSeries(whole.metric, whole.labels, False, [first])]), "it is asleep"


def test_a_total_outage_is_told_although_an_open_breaker_lets_little_through() -> None:
    alert = next(each for each in LEVELS.alerts if each.name == "gemini-success")
    assert fires(alert.name, [counter(alert.condition.series, 5, alert.condition.window)])
    assert not fires(alert.name, [counter(alert.condition.series, 1, alert.condition.window)]), "one failure at night"


def test_gemini_s_failure_is_told_as_long_as_an_open_breaker_keeps_customers_calls_away() -> None:
    alert = next(each for each in LEVELS.alerts if each.name == "gemini-success")
    probes = counter(alert.condition.series, 1, alert.condition.window)
    spared = counter(Series("upstream_calls", {"upstream": ("gemini",), "outcome": ("breaker_open",)}), 8, 300)
    assert fires(alert.name, [probes, spared])
    assert not fires(alert.name, [probes]), "then only breaker-open tells"


def test_probes_that_fail_again_and_again_are_one_outage_and_no_flapping() -> None:
    labels = {"upstream": ("gemini",), "cause": ("probe",)}
    assert not fires("breaker-flapping", [counter(Series("breaker_openings", labels), 9, 3600)])
    assert fires("breaker-flapping", [counter(Series("breaker_openings", {**labels, "cause": ("faults",)}), 4, 3600)])


def test_a_server_that_starts_anew_counts_from_its_start() -> None:
    alert = next(each for each in LEVELS.alerts if each.name == "store-errors")
    one = counter(alert.condition.series, 4, alert.condition.window)
    half = len(one.points) // 2
    again = [type(p)(p.end, p.end, 4.0) for p in one.points[half + 1 :]]
    restarted = TimeSeries(one.metric, one.labels, True, [*one.points[: half + 1], *again[:1]])
    assert fires(alert.name, [restarted]), "2 before, and 4 after the restart"
    assert not fires(alert.name, [one])


@pytest.mark.parametrize(
    ("name", "each", "told"), [("queue", 30, True), ("memory", 0.6, False), ("spend-cap", 6, False)]
)
def test_a_gauge_of_several_servers_is_added_up_or_not(name: str, each: float, told: bool) -> None:
    condition = next(alert.condition for alert in LEVELS.alerts if alert.name == name)
    servers = [gauge(condition.series, each, condition.lasting) for _ in range(2)]
    assert fires(name, servers) is told


def test_counts_of_several_servers_are_added_up() -> None:
    condition = next(alert.condition for alert in LEVELS.alerts if alert.name == "store-errors")
    servers = [counter(condition.series, 3, condition.window) for _ in range(2)]
    assert fires("store-errors", servers)
    assert not fires("store-errors", servers[:1])
