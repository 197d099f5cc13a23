"""google.monitoring.v3.NotificationChannelService and UptimeCheckService.

https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.notificationChannels, …/projects.uptimeCheckConfigs
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import grpc
from google.cloud.monitoring_v3.types import notification as channel_types
from google.cloud.monitoring_v3.types import notification_service as channel_messages
from google.cloud.monitoring_v3.types import uptime as uptime_types
from google.cloud.monitoring_v3.types import uptime_service as uptime_messages
from google.protobuf.empty_pb2 import Empty

from perkie_cli.emulators.monitoring.calls import Call
from perkie_cli.emulators.monitoring.kept import (
    Kept,
    check_duration,
    check_labels,
    check_text,
    fill,
    numbered,
    parent_of,
)
from perkie_cli.emulators.monitoring.records import stamp
from perkie_cli.emulators.rpc_server import Refused, invalid
from perkie_cli.ports import Clock

MOST_CHANNELS, MOST_CHECKS = 4000, 100
PERIODS = (60, 300, 600, 900)  # seconds
_LABELS = {"email": "email_address", "pubsub": "topic", "webhook_tokenauth": "url"}
Policies = Callable[[], Iterable[Any]]


class Channels:
    """The service of notification channels. ``policies``: those that may use one."""

    name = "google.monitoring.v3.NotificationChannelService"

    def __init__(self, clock: Clock, policies: Policies) -> None:
        self.kept = Kept("Notification channels", MOST_CHANNELS)
        self._clock, self._policies = clock, policies

    def calls(self) -> Mapping[str, Call]:
        """The emulated calls."""
        of = channel_messages
        return {
            "ListNotificationChannels": Call(of.ListNotificationChannelsRequest.pb(), self._list),
            "GetNotificationChannel": Call(of.GetNotificationChannelRequest.pb(), self._get),
            "CreateNotificationChannel": Call(of.CreateNotificationChannelRequest.pb(), self._create),
            "UpdateNotificationChannel": Call(of.UpdateNotificationChannelRequest.pb(), self._update),
            "DeleteNotificationChannel": Call(of.DeleteNotificationChannelRequest.pb(), self._delete),
        }

    async def _list(self, request: Any) -> Any:
        answer = channel_messages.ListNotificationChannelsResponse.pb()()
        return self.kept.page(request, answer, "notification_channels")

    async def _get(self, request: Any) -> Any:
        return self.kept.get(numbered(request.name))

    async def _create(self, request: Any) -> Any:
        channel = _checked_channel(request.notification_channel)
        channel.name = f"{parent_of(request.name)}/notificationChannels/{self.kept.new_id()}"
        stamp(channel.creation_record, self._clock)
        return self.kept.add(channel)

    async def _update(self, request: Any) -> Any:
        channel = _checked_channel(request.notification_channel)
        channel.name = numbered(channel.name)
        before = self.kept.get(channel.name)
        if before.type_ != channel.type_:
            raise invalid("The type of a notification channel cannot be changed.")
        channel.creation_record.CopyFrom(before.creation_record)
        stamp(channel.mutation_records.add(), self._clock)
        self.kept.messages[channel.name] = channel
        return channel

    async def _delete(self, request: Any) -> Any:
        name = numbered(request.name)
        self.kept.get(name)
        users = [each for each in self._policies() if name in map(numbered, each.notification_channels)]
        if users and not request.force:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, f"{name} is used by {users[0].name}.")
        del self.kept.messages[name]
        return Empty()


def _checked_channel(given: Any) -> Any:
    """Raises: Refused."""
    channel = channel_types.NotificationChannel.pb()()
    channel.CopyFrom(given)
    check_text("notification_channel.display_name", channel.display_name, 512, least=0)
    check_labels(channel.user_labels)
    wanted = _LABELS.get(channel.type_)
    if wanted is None:
        raise invalid(f"The channel type {channel.type_!r} is not known, or not emulated by perkie.")
    if not channel.labels.get(wanted):
        raise invalid(f"A channel of the type {channel.type_} needs the label {wanted}.")
    if not channel.HasField("enabled"):
        channel.enabled.value = True
    return channel


class UptimeChecks:
    """The service of uptime checks. Nothing is checked: it keeps what is configured."""

    name = "google.monitoring.v3.UptimeCheckService"

    def __init__(self, policies: Policies) -> None:
        self.kept = Kept("Uptime checks", MOST_CHECKS)
        self._policies = policies

    def calls(self) -> Mapping[str, Call]:
        """The emulated calls."""
        of = uptime_messages
        return {
            "ListUptimeCheckConfigs": Call(of.ListUptimeCheckConfigsRequest.pb(), self._list),
            "GetUptimeCheckConfig": Call(of.GetUptimeCheckConfigRequest.pb(), self._get),
            "CreateUptimeCheckConfig": Call(of.CreateUptimeCheckConfigRequest.pb(), self._create),
            "UpdateUptimeCheckConfig": Call(of.UpdateUptimeCheckConfigRequest.pb(), self._update),
            "DeleteUptimeCheckConfig": Call(of.DeleteUptimeCheckConfigRequest.pb(), self._delete),
        }

    async def _list(self, request: Any) -> Any:
        return self.kept.page(request, uptime_messages.ListUptimeCheckConfigsResponse.pb()(), "uptime_check_configs")

    async def _get(self, request: Any) -> Any:
        return self.kept.get(numbered(request.name))

    async def _create(self, request: Any) -> Any:
        check = _checked_uptime(request.uptime_check_config)
        slug = re.sub(r"[^a-z0-9]+", "-", check.display_name.lower()).strip("-")
        check.name = f"{parent_of(request.parent)}/uptimeCheckConfigs/{slug}-{self.kept.new_id()}"
        check.monitored_resource.labels["project_id"] = request.parent.split("/")[1]
        return self.kept.add(check)

    async def _update(self, request: Any) -> Any:
        check = _checked_uptime(request.uptime_check_config)
        check.name = numbered(check.name)
        before = self.kept.get(check.name)
        check.monitored_resource.labels["project_id"] = before.monitored_resource.labels["project_id"]
        if check.monitored_resource != before.monitored_resource:
            raise invalid("The monitored resource of an uptime check cannot be changed.")
        self.kept.messages[check.name] = check
        return check

    async def _delete(self, request: Any) -> Any:
        name = numbered(request.name)
        self.kept.get(name)
        id_ = name.rpartition("/")[2]
        for policy in self._policies():
            if any(id_ in condition.condition_threshold.filter for condition in policy.conditions):
                raise Refused(grpc.StatusCode.FAILED_PRECONDITION, f"{name} is referenced by {policy.name}.")
        del self.kept.messages[name]
        return Empty()


def _checked_uptime(given: Any) -> Any:
    """Raises: Refused."""
    check = uptime_types.UptimeCheckConfig.pb()()
    check.CopyFrom(given)
    check_text("uptime_check_config.display_name", check.display_name, 512)
    check_labels(check.user_labels)
    if check.monitored_resource.type != "uptime_url" or not check.monitored_resource.labels.get("host"):
        raise invalid("The monitored resource must be an uptime_url with the label host.")
    if not check.HasField("period"):
        check.period.seconds = 60
    if check.period.seconds not in PERIODS:
        raise invalid(f"Field period had an invalid value: it must be one of {', '.join(map(str, PERIODS))} seconds.")
    if not check.HasField("timeout"):
        check.timeout.seconds = 10
    check_duration("timeout", check.timeout, 1, 60, 1)
    if check.WhichOneof("check_request_type") != "http_check":
        raise invalid("Only http_check is emulated by perkie.")
    _complete_http(check.http_check)
    fill(check, checker_type=uptime_types.UptimeCheckConfig.CheckerType.STATIC_IP_CHECKERS)
    return check


def _complete_http(http: Any) -> None:
    fill(http, path="/", port=443 if http.use_ssl else 80)
    fill(http, request_method=uptime_types.UptimeCheckConfig.HttpCheck.RequestMethod.GET)
    if not http.accepted_response_status_codes:
        status = uptime_types.UptimeCheckConfig.HttpCheck.ResponseStatusCode.StatusClass.STATUS_CLASS_2XX
        http.accepted_response_status_codes.add(status_class=status)
