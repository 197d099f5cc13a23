"""Who is told, and where: what the settings say, and what they must not."""

from __future__ import annotations

import pytest

from perkie_cli.config.levels.reading import read_levels
from perkie_cli.config.schema import MonitorSettings
from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.service_levels import Severity
from perkie_cli.ops.monitor.compare import differences
from perkie_cli.ops.monitor.place import Place
from perkie_cli.ops.monitor.resources import wanted
from perkie_cli.ports.monitoring import Kind

LEVELS = read_levels()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (MonitorSettings(page_channels=("on-call@shop.example",)), "monitor.page_channels: 'on-call@shop.example'"),
        (MonitorSettings(ticket_channels=("email:nobody",)), "monitor.ticket_channels: 'email:nobody' is no channel"),
        (MonitorSettings(page_channels=("projects/p/notificationChannels/x",)), "is no channel"),
        (
            MonitorSettings(uptime_host="https://perkie.example"),
            "monitor.uptime_host: 'https://perkie.example' is no host",
        ),
        (MonitorSettings(uptime_host="perkie.example/health"), "is no host"),
    ],
)
def test_what_is_no_channel_or_host_is_refused(settings: MonitorSettings, message: str) -> None:
    with pytest.raises(InvalidSetting) as error:
        Place.of("p", settings)
    assert message in error.value.message
    assert error.value.exit_code == 3


def test_one_address_is_one_channel_for_both() -> None:
    both = ("email:on-call@shop.example",)
    place = Place.of("p", MonitorSettings(page_channels=both, ticket_channels=both))
    assert place.addresses == {"email-on-call-shop-example": "on-call@shop.example"}


def test_severities_and_channels_come_from_the_settings() -> None:
    settings = MonitorSettings(
        page_severity="ERROR",
        page_channels=("projects/p/notificationChannels/7",),
        ticket_channels=("email:a@b.example",),
    )
    policies = {each.id: each.body for each in wanted(LEVELS, Place.of("p", settings)) if each.kind is Kind.POLICY}
    for alert in LEVELS.alerts:
        if alert.name in policies:
            page = alert.severity is Severity.PAGE
            assert policies[alert.name]["severity"] == ("ERROR" if page else "WARNING")
            channel = "projects/p/notificationChannels/7" if page else "@channel/email-a-b-example"
            assert policies[alert.name]["notificationChannels"] == [channel]


def test_the_service_with_the_gpu_is_never_woken_by_a_check() -> None:
    resources = list(wanted(LEVELS, Place.of("p", MonitorSettings(uptime_host="perkie.example"))))
    checks = [each for each in resources if each.kind is Kind.UPTIME]
    assert [each.id for each in checks] == ["artistic"]
    without = list(wanted(LEVELS, Place.of("p", MonitorSettings())))
    assert {each.id for each in resources} - {each.id for each in without} == {"artistic", "service-down"}


def test_everything_stays_within_googles_limits() -> None:
    settings = MonitorSettings(uptime_host="perkie.example", runbooks_url="https://docs.example/runbooks")
    for each in wanted(LEVELS, Place.of("p", settings)):
        labels = each.body.get("userLabels", {})
        assert all(len(value) <= 63 for value in labels.values())
        if each.kind is Kind.POLICY:
            assert 1 <= len(each.body["conditions"]) <= 6
            assert len(each.body["documentation"]["content"]) <= 8192
            assert each.body["documentation"]["links"][0]["url"].startswith("https://docs.example/runbooks/")


def test_what_google_adds_is_no_difference_and_a_project_has_two_names() -> None:
    ours = {
        "displayName": "x",
        "notificationChannels": ["projects/p/notificationChannels/2", "projects/p/notificationChannels/1"],
    }
    theirs = {
        "name": "projects/31/alertPolicies/1",
        "displayName": "x",
        "enabled": True,
        "mutationRecord": {"mutatedBy": "me"},
        "notificationChannels": ["projects/31/notificationChannels/1", "projects/31/notificationChannels/2"],
        "alertStrategy": {"notificationPrompts": ["OPENED", "CLOSED"]},
    }
    assert differences(Kind.POLICY, theirs, ours) == []
    assert differences(Kind.POLICY, {**theirs, "enabled": False}, ours) == ["enabled: False → (none)"]


def test_of_a_long_text_the_part_that_differs_is_shown() -> None:
    (line,) = differences(Kind.POLICY, {"displayName": "x" * 200 + "a"}, {"displayName": "x" * 200 + "b"})
    assert line.endswith("xb")
    assert len(line) < 200
