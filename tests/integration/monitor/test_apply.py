"""``monitor apply`` through Google's clients: once, again, after a hand, a kill, a fault, and beside others' things."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from google.cloud import monitoring_v3
from google.cloud.monitoring_v3.services.alert_policy_service import AlertPolicyServiceAsyncClient

from perkie_cli.config.levels.reading import read_levels
from perkie_cli.config.schema import MonitorSettings
from perkie_cli.domain.errors import ChangesPending, InvalidSetting, PerkieError, StoreUnavailable
from perkie_cli.domain.events import Audited, Event
from perkie_cli.domain.service_levels import ServiceLevels
from perkie_cli.emulators.monitoring.server import MonitoringEmulator
from perkie_cli.ops.monitor.monitor import Action, Monitor, Plan, Step
from perkie_cli.ops.monitor.place import Place
from perkie_cli.ops.monitor.resources import Wanted, wanted
from perkie_cli.ports.monitoring import Found, Kind
from perkie_cli.stores.google.monitoring import GoogleMonitoring

LEVELS = read_levels()
SETTINGS = MonitorSettings(
    uptime_host="perkie.example",
    page_channels=("email:on-call@shop.example", "projects/shop/notificationChannels/10001"),
    ticket_channels=("email:on-call@shop.example", "email:shop@shop.example"),
    runbooks_url="https://docs.example/runbooks/",
)


class Seen:
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


def resources(levels: ServiceLevels = LEVELS, settings: MonitorSettings = SETTINGS) -> list[Wanted]:
    return list(wanted(levels, Place.of("shop", settings)))


async def plan(monitoring: GoogleMonitoring, given: Sequence[Wanted] | None = None) -> Plan:
    return await Monitor(monitoring, Seen(), "me@here").plan(resources() if given is None else given)


async def apply(monitoring: GoogleMonitoring, given: Sequence[Wanted] | None = None) -> list[Step]:
    monitor = Monitor(monitoring, Seen(), "me@here")
    return [step async for step in monitor.apply(await monitor.plan(resources() if given is None else given))]


async def by_hand(monitoring: GoogleMonitoring) -> None:
    """A channel of somebody else's, which the settings name."""
    body = {"type": "email", "displayName": "theirs", "labels": {"email_address": "boss@shop.example"}}
    assert (await monitoring.create(Kind.CHANNEL, "", body)).name.endswith("/10001")


async def policy(monitoring: GoogleMonitoring, id_: str) -> Found:
    found = [each for each in await monitoring.resources(Kind.POLICY) if each.labels.get("perkie-id") == id_]
    assert len(found) == 1
    return found[0]


@pytest.fixture(autouse=True)
async def theirs(monitoring: GoogleMonitoring) -> None:
    await by_hand(monitoring)


async def test_a_second_apply_changes_nothing(monitoring: GoogleMonitoring, emulator: MonitoringEmulator) -> None:
    seen = Seen()
    monitor = Monitor(monitoring, seen, "me@here")
    first = [step async for step in monitor.apply(await monitor.plan(resources()))]
    assert {step.action for step in first} == {Action.CREATE}
    assert len(first) == len(resources())
    told = [each for each in seen.events if isinstance(each, Audited)]
    assert len(told) == len(first)
    assert told[-1].target == "monitoring:shop dashboard perkie"
    before = dict(emulator.counts)
    again = await plan(monitoring)
    assert (again.steps, again.same) == ([], len(resources()))
    assert {name for name, count in emulator.counts.items() if count != before.get(name)} == {
        *("ListMetricDescriptors", "ListServices", "ListServiceLevelObjectives", "ListNotificationChannels"),
        *("ListUptimeCheckConfigs", "ListAlertPolicies", "ListDashboards"),
    }


async def test_what_is_written_holds_together(monitoring: GoogleMonitoring) -> None:
    await apply(monitoring)
    found = await policy(monitoring, "availability-fast-burn")
    body = found.body
    assert [each["conditionThreshold"].get("filter", "")[:20] for each in body["conditions"][:2]] == [
        "select_slo_burn_rate"
    ] * 2
    assert len(body["conditions"]) == 3, "two windows and a least count"
    assert body["combiner"] == "AND"
    assert body["severity"] == "CRITICAL"
    assert (
        body["documentation"]["links"][0]["url"]
        == "https://docs.example/runbooks/availability.md#availability-fast-burn"
    )
    channels = {each.name: each.body["labels"]["email_address"] for each in await monitoring.resources(Kind.CHANNEL)}
    told = {channels[name.replace("projects/shop", "projects/314159265358")] for name in body["notificationChannels"]}
    assert told == {"on-call@shop.example", "boss@shop.example"}
    (check,) = await monitoring.resources(Kind.UPTIME)
    down = await policy(monitoring, "service-down")
    assert check.name.rpartition("/")[2] in down.body["conditions"][0]["conditionThreshold"]["filter"]
    (dashboard,) = await monitoring.resources(Kind.DASHBOARD)
    charts = [each["widget"] for each in dashboard.body["mosaicLayout"]["tiles"] if "xyChart" in each["widget"]]
    assert len(charts) == len(LEVELS.objectives) + len(LEVELS.alerts) - 1


async def test_a_change_by_hand_shows_and_is_taken_back_with_the_conditions_names(
    monitoring: GoogleMonitoring,
) -> None:
    await apply(monitoring)
    found = await policy(monitoring, "memory")
    body: dict[str, Any] = {**found.body, "enabled": False}
    names = [each["name"] for each in body["conditions"]]
    body["conditions"] = [
        {**each, "conditionThreshold": {**each["conditionThreshold"], "thresholdValue": 0.99}}
        for each in body["conditions"]
    ]
    await monitoring.update(found, body)
    (step,) = (await plan(monitoring)).steps
    assert (step.action, step.kind, step.id) == (Action.UPDATE, Kind.POLICY, "memory")
    assert set(step.differences) == {
        "enabled: False → (none)",
        "conditions[0].conditionThreshold.thresholdValue: 0.99 → 0.9",
    }
    await apply(monitoring)
    assert not (await plan(monitoring)).pending
    restored = await policy(monitoring, "memory")
    assert [each["name"] for each in restored.body["conditions"]] == names, "open incidents keep their condition"
    assert restored.body["enabled"] is True


async def test_more_by_hand_is_a_difference_too(monitoring: GoogleMonitoring) -> None:
    await apply(monitoring)
    (dashboard,) = await monitoring.resources(Kind.DASHBOARD)
    more = {"yPos": 600, "width": 4, "height": 4, "widget": {"title": "mine", "text": {"content": "x"}}}
    layout = dashboard.body["mosaicLayout"]
    await monitoring.update(
        dashboard, {**dashboard.body, "mosaicLayout": {**layout, "tiles": [*layout["tiles"], more]}}
    )
    found = await policy(monitoring, "queue")
    await monitoring.delete(found)
    steps = {(step.action, step.id) for step in (await plan(monitoring)).steps}
    assert steps == {(Action.UPDATE, "perkie"), (Action.CREATE, "queue")}
    await apply(monitoring)
    assert not (await plan(monitoring)).pending


async def test_a_stale_dashboard_is_not_overwritten(monitoring: GoogleMonitoring) -> None:
    await apply(monitoring)
    (dashboard,) = await monitoring.resources(Kind.DASHBOARD)
    await monitoring.update(dashboard, {**dashboard.body, "displayName": "newer"})
    with pytest.raises(ChangesPending, match="changed by someone else"):
        await monitoring.update(dashboard, dashboard.body)


@pytest.mark.parametrize("made", [1, 18, 20, 30, 50])
async def test_an_apply_that_is_killed_runs_again_rightly(monitoring: GoogleMonitoring, made: int) -> None:
    monitor = Monitor(monitoring, Seen(), "me@here")
    reached = asyncio.Event()

    async def work() -> None:
        count = 0
        async for _ in monitor.apply(await monitor.plan(resources())):
            count += 1
            if count == made:
                reached.set()

    task = asyncio.create_task(work())
    await asyncio.wait_for(reached.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await apply(monitoring)
    assert not (await plan(monitoring)).pending
    policies = await monitoring.resources(Kind.POLICY)
    assert len(policies) == len(LEVELS.runbooks), "none is there twice"


async def test_two_of_one_id_become_one(monitoring: GoogleMonitoring) -> None:
    """A policy whose answer was lost may have been made twice by two who applied at once."""
    await apply(monitoring)
    found = await policy(monitoring, "memory")
    body = {
        **found.body,
        "conditions": [{k: v for k, v in each.items() if k != "name"} for each in found.body["conditions"]],
    }
    twin = await monitoring.create(Kind.POLICY, "memory", {**body, "displayName": "twin"})
    (step,) = (await plan(monitoring)).steps
    assert step.action is Action.DELETE
    assert step.found is not None
    assert step.found.name == twin.name, "the one that fits stays"
    await apply(monitoring)
    assert (await policy(monitoring, "memory")).name == found.name


async def test_a_failure_in_the_middle_leaves_the_rest_for_the_next_run(
    monitoring: GoogleMonitoring, emulator: MonitoringEmulator
) -> None:
    from perkie_cli.emulators.fault_plan import parse_faults
    from perkie_cli.emulators.rpc_faults import RpcFault

    emulator.faults.set(parse_faults({"fault": [{"kind": "error", "method": "CreateAlertPolicy"}]}, RpcFault))
    with pytest.raises(StoreUnavailable):
        await apply(monitoring)
    emulator.faults.set(())
    steps = (await plan(monitoring)).steps
    assert {step.kind for step in steps} == {Kind.POLICY, Kind.DASHBOARD}
    await apply(monitoring)
    assert not (await plan(monitoring)).pending


async def test_what_others_made_stays_as_it_is(monitoring: GoogleMonitoring) -> None:
    await apply(monitoring)
    ours = await policy(monitoring, "memory")
    conditions = [{k: v for k, v in each.items() if k != "name"} for each in ours.body["conditions"]]
    body = {**ours.body, "conditions": conditions, "userLabels": {"team": "other"}, "notificationChannels": []}
    foreign = [
        await monitoring.create(Kind.POLICY, "", body),
        await monitoring.create(Kind.SERVICE, "other", {"custom": {}, "displayName": "Other"}),
    ]
    assert not (await plan(monitoring)).pending
    nothing = replace(LEVELS, objectives=(), alerts=(), services=())
    await apply(monitoring, [each for each in resources(nothing, MonitorSettings()) if each.kind is not Kind.DASHBOARD])
    left = [each.name for kind in Kind if kind is not Kind.METRIC for each in await monitoring.resources(kind)]
    services = [f"projects/314159265358/services/{name}" for name in ("perkie-artistic", "perkie-matting")]
    assert sorted(left) == sorted(
        [*(each.name for each in foreign), *services, "projects/314159265358/notificationChannels/10001"]
    )


async def test_a_taken_name_is_told_and_not_taken_over(monitoring: GoogleMonitoring) -> None:
    await monitoring.create(Kind.SERVICE, "perkie-artistic", {"custom": {}, "displayName": "Theirs"})
    with pytest.raises(InvalidSetting, match="perkie-artistic is somebody else's") as error:
        await plan(monitoring)
    assert error.value.exit_code == 3


async def test_another_host_gets_a_new_check_before_the_old_one_goes(monitoring: GoogleMonitoring) -> None:
    await apply(monitoring)
    (old,) = await monitoring.resources(Kind.UPTIME)
    elsewhere = resources(settings=replace(SETTINGS, uptime_host="new.example"))
    steps = [(step.action, step.kind) for step in await apply(monitoring, elsewhere)]
    assert steps == [(Action.CREATE, Kind.UPTIME), (Action.UPDATE, Kind.POLICY), (Action.DELETE, Kind.UPTIME)]
    (new,) = await monitoring.resources(Kind.UPTIME)
    assert new.name != old.name
    assert not (await plan(monitoring, elsewhere)).pending


async def test_an_alert_that_left_the_file_goes(monitoring: GoogleMonitoring) -> None:
    await apply(monitoring)
    fewer = replace(LEVELS, alerts=tuple(each for each in LEVELS.alerts if each.name != "queue"))
    steps = [(step.action, step.kind, step.id) for step in await apply(monitoring, resources(fewer))]
    assert steps == [(Action.UPDATE, Kind.DASHBOARD, "perkie"), (Action.DELETE, Kind.POLICY, "queue")]


async def test_without_a_server_it_says_so() -> None:
    gone = GoogleMonitoring("shop", {"MONITORING_EMULATOR_HOST": "127.0.0.1:1"})
    with pytest.raises(PerkieError) as error:
        await gone.resources(Kind.POLICY)
    assert error.value.exit_code == 5
    await gone.aclose()


async def test_the_plain_client_reads_it_as_it_is(monitoring: GoogleMonitoring, emulator: MonitoringEmulator) -> None:
    import grpc.aio

    await apply(monitoring)
    transport = AlertPolicyServiceAsyncClient.get_transport_class("grpc_asyncio")
    client = AlertPolicyServiceAsyncClient(transport=transport(channel=grpc.aio.insecure_channel(emulator.address)))
    listed = [each async for each in await client.list_alert_policies(name="projects/shop")]
    assert len(listed) == len(LEVELS.runbooks)
    found = next(each for each in listed if each.user_labels["perkie-id"] == "breaker-open")
    threshold = found.conditions[0].condition_threshold
    assert (threshold.duration.total_seconds(), threshold.trigger.count) == (300, 1)
    assert found.severity == monitoring_v3.AlertPolicy.Severity.CRITICAL
    assert found.alert_strategy.auto_close.total_seconds() == 1800
    await client.transport.close()  # type: ignore[no-untyped-call]  # untyped in Google's package
