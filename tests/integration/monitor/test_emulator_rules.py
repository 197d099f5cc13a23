"""The emulator refuses what Google refuses, and adds what Google adds."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from perkie_cli.config.levels.reading import read_levels
from perkie_cli.config.schema import MonitorSettings
from perkie_cli.domain.errors import ChangesPending, InvalidSetting
from perkie_cli.ops.monitor.place import Place
from perkie_cli.ops.monitor.resources import wanted
from perkie_cli.ports.monitoring import Json, Kind
from perkie_cli.stores.google.monitoring import GoogleMonitoring

PLACE = Place.of("shop", MonitorSettings(uptime_host="perkie.example"))
WANTED = {(each.kind, each.id): each.body for each in wanted(read_levels(), PLACE)}


def changed(kind: Kind, id_: str, path: str, value: Any) -> Json:
    """The body with the field at ``a.0.b`` replaced, or taken out for None."""
    body: Any = copy.deepcopy(dict(WANTED[kind, id_]))
    *way, last = [int(each) if each.isdecimal() else each for each in path.split(".")]
    at: Any = body
    for each in way:
        at = at[each]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return body  # type: ignore[no-any-return]


@pytest.fixture
async def described(monitoring: GoogleMonitoring) -> GoogleMonitoring:
    """With the metrics, services and objectives that the others need."""
    for (kind, id_), body in WANTED.items():
        if kind in (Kind.METRIC, Kind.SERVICE):
            await monitoring.create(kind, id_, body)
    id_ = "perkie-artistic/availability"
    await monitoring.create(Kind.OBJECTIVE, id_, WANTED[Kind.OBJECTIVE, id_])
    return monitoring


THRESHOLD = "conditions.0.conditionThreshold"
OTHER = 'metric.type = "custom.googleapis.com/perkie/none" AND resource.type = "generic_task"'
REFUSED = [
    ("memory", "conditions", [], "1 to 6 are allowed"),
    ("memory", "combiner", None, "combiner"),
    ("memory", "displayName", "", "display_name"),
    ("memory", "userLabels", {"Team": "x"}, "user label"),
    ("memory", "userLabels", {"team": "X"}, "user label"),
    ("memory", "documentation.content", "x" * 8193, "too long"),
    ("memory", "documentation.links", [{"displayName": "a", "url": "https://a.example"}] * 4, "at most 3"),
    ("memory", "notificationChannels", ["projects/shop/notificationChannels/7"], "does not exist"),
    ("memory", "alertStrategy.autoClose", "60s", "auto_close"),
    ("memory", f"{THRESHOLD}.duration", "90s", "multiple of 60s"),
    ("memory", f"{THRESHOLD}.duration", "0s", "must have a non-zero duration"),
    ("memory", f"{THRESHOLD}.comparison", "COMPARISON_GE", "only COMPARISON_LT and COMPARISON_GT"),
    ("memory", f"{THRESHOLD}.filter", 'metric.type = "custom.googleapis.com/perkie/requests"', "resource.type"),
    ("memory", f"{THRESHOLD}.filter", 'resource.type = "generic_task"', "single metric type"),
    ("memory", f"{THRESHOLD}.filter", OTHER, "Cannot find metric"),
    ("memory", f"{THRESHOLD}.aggregations", [], "one or two are needed"),
    ("memory", f"{THRESHOLD}.aggregations.0.alignmentPeriod", "30s", "alignment_period"),
    ("memory", f"{THRESHOLD}.aggregations.0.alignmentPeriod", "93600s", "alignment_period"),
    ("memory", f"{THRESHOLD}.aggregations.0.perSeriesAligner", "ALIGN_DELTA", "cannot be applied to GAUGE"),
    ("failures", f"{THRESHOLD}.aggregations.0.perSeriesAligner", "ALIGN_MAX", "cannot be applied to CUMULATIVE"),
    ("slow-pictures", f"{THRESHOLD}.aggregations.0.crossSeriesReducer", "REDUCE_SUM", "must be a number"),
    ("slow-pictures", f"{THRESHOLD}.aggregations.0.perSeriesAligner", "ALIGN_PERCENTILE_95", "applied to CUMULATIVE"),
    ("error-rate", f"{THRESHOLD}.denominatorFilter", OTHER, "Cannot find metric"),
    ("error-rate", f"{THRESHOLD}.denominatorAggregations.0.alignmentPeriod", "60s", "same alignment period"),
    ("cutout-availability-fast-burn", f"{THRESHOLD}.thresholdValue", 3, "does not exist"),
    ("availability-fast-burn", f"{THRESHOLD}.filter", 'select_slo_burn_rate("x")', "could not be parsed"),
]


@pytest.mark.parametrize(("id_", "path", "value", "message"), REFUSED, ids=[f"{row[0]} {row[1]}" for row in REFUSED])
async def test_a_policy_that_google_refuses(
    described: GoogleMonitoring, id_: str, path: str, value: Any, message: str
) -> None:
    with pytest.raises(InvalidSetting, match="refuses the alert policy") as error:
        await described.create(Kind.POLICY, id_, changed(Kind.POLICY, id_, path, value))
    assert message in error.value.message
    assert await described.resources(Kind.POLICY) == []


AVAILABILITY, GENERATION = "perkie-artistic/availability", "perkie-artistic/generation"
RATIO = "serviceLevelIndicator.requestBased.goodTotalRatio"
OBJECTIVES = [
    (GENERATION, "goal", 1.0, "goal"),
    (GENERATION, "rollingPeriod", "3600s", "rolling_period"),
    (GENERATION, "rollingPeriod", "2678400s", "rolling_period"),
]


@pytest.mark.parametrize(("id_", "path", "value", "message"), OBJECTIVES)
async def test_an_objective_that_google_refuses(
    described: GoogleMonitoring, id_: str, path: str, value: Any, message: str
) -> None:
    with pytest.raises(InvalidSetting) as error:
        await described.create(Kind.OBJECTIVE, id_, changed(Kind.OBJECTIVE, id_, path, value))
    assert message in error.value.message


async def test_a_ratio_has_exactly_two_filters_of_countable_metrics(described: GoogleMonitoring) -> None:
    body = changed(Kind.OBJECTIVE, AVAILABILITY, f"{RATIO}.badServiceFilter", None)
    with pytest.raises(InvalidSetting, match="Exactly two"):
        await described.create(Kind.OBJECTIVE, "perkie-artistic/other", body)
    durations = 'metric.type = "custom.googleapis.com/perkie/picture_seconds" AND resource.type = "generic_task"'
    body = changed(Kind.OBJECTIVE, AVAILABILITY, f"{RATIO}.badServiceFilter", durations)
    with pytest.raises(InvalidSetting, match="wrong kind or value type"):
        await described.create(Kind.OBJECTIVE, "perkie-artistic/other", body)


async def test_names_are_unique_and_parents_exist(described: GoogleMonitoring) -> None:
    with pytest.raises(ChangesPending, match="already exists"):
        await described.create(Kind.OBJECTIVE, AVAILABILITY, WANTED[Kind.OBJECTIVE, AVAILABILITY])
    with pytest.raises(InvalidSetting, match="does not exist"):
        await described.create(Kind.OBJECTIVE, "none/availability", WANTED[Kind.OBJECTIVE, AVAILABILITY])


async def test_google_adds_what_was_not_said(described: GoogleMonitoring) -> None:
    made = (await described.create(Kind.POLICY, "memory", WANTED[Kind.POLICY, "memory"])).body
    assert made["conditions"][0]["conditionThreshold"]["trigger"] == {"count": 1}
    assert made["conditions"][0]["name"].startswith(made["name"])
    assert made["alertStrategy"]["notificationPrompts"] == ["OPENED", "CLOSED"]
    assert {"creationRecord", "mutationRecord"} <= made.keys()
    board = (await described.create(Kind.DASHBOARD, "perkie", WANTED[Kind.DASHBOARD, "perkie"])).body
    chart = next(each["widget"]["xyChart"] for each in board["mosaicLayout"]["tiles"] if "xyChart" in each["widget"])
    assert chart["dataSets"][0]["targetAxis"] == "Y1"
    assert chart["timeshiftDuration"] == "0s"
    assert chart["chartOptions"] == {"mode": "COLOR"}
    assert board["etag"]
    check = (await described.create(Kind.UPTIME, "artistic", WANTED[Kind.UPTIME, "artistic"])).body
    assert check["monitoredResource"]["labels"]["project_id"] == "shop"
    assert check["httpCheck"]["acceptedResponseStatusCodes"] == [{"statusClass": "STATUS_CLASS_2XX"}]


async def test_dashboards_ask_for_their_etag_and_for_room(described: GoogleMonitoring) -> None:
    body = WANTED[Kind.DASHBOARD, "perkie"]
    with pytest.raises(InvalidSetting, match="should not specify an etag"):
        await described.create(Kind.DASHBOARD, "perkie", {**body, "etag": "x"})
    found = await described.create(Kind.DASHBOARD, "perkie", body)
    unmarked = type(found)(found.kind, found.name, found.labels, {})
    with pytest.raises(InvalidSetting, match="should specify a non empty etag"):
        await described.update(unmarked, body)
    for path, value, message in (
        ("mosaicLayout.columns", 49, "1 to 48 columns"),
        ("mosaicLayout.tiles.0.width", 60, "does not fit"),
        ("mosaicLayout.tiles.1.yPos", 0, "overlaps"),
    ):
        with pytest.raises(InvalidSetting, match=message):
            await described.create(Kind.DASHBOARD, "perkie", changed(Kind.DASHBOARD, "perkie", path, value))


async def test_a_check_keeps_its_host_and_a_user_keeps_it(described: GoogleMonitoring) -> None:
    found = await described.create(Kind.UPTIME, "artistic", WANTED[Kind.UPTIME, "artistic"])
    elsewhere = changed(Kind.UPTIME, "artistic", "monitoredResource.labels.host", "other.example")
    with pytest.raises(InvalidSetting, match="cannot be changed"):
        await described.update(found, elsewhere)
    for path, value in (("period", "61s"), ("timeout", "61s"), ("monitoredResource.labels", {})):
        with pytest.raises(InvalidSetting):
            await described.create(Kind.UPTIME, "artistic", changed(Kind.UPTIME, "artistic", path, value))
    text = str(WANTED[Kind.POLICY, "service-down"]["conditions"][0]["conditionThreshold"]["filter"])
    check = found.name.rpartition("/")[2]
    watching = text.replace("@uptime check/artistic", check)
    await described.create(Kind.POLICY, "x", changed(Kind.POLICY, "service-down", f"{THRESHOLD}.filter", watching))
    with pytest.raises(InvalidSetting, match="keeps the"):
        await described.delete(found)


async def test_a_channel_that_is_used_is_not_deleted(described: GoogleMonitoring) -> None:
    body = {"type": "email", "labels": {"email_address": "a@b.example"}}
    channel = await described.create(Kind.CHANNEL, "", body)
    for wrong in ({"type": "pigeon"}, {"type": "email"}):
        with pytest.raises(InvalidSetting):
            await described.create(Kind.CHANNEL, "", wrong)
    policy = await described.create(
        Kind.POLICY, "memory", changed(Kind.POLICY, "memory", "notificationChannels", [channel.name])
    )
    with pytest.raises(InvalidSetting, match="keeps the"):
        await described.delete(channel)
    await described.delete(policy)
    await described.delete(channel)
    assert await described.resources(Kind.CHANNEL) == []
