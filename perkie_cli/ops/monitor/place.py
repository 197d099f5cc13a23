"""Where the resources of Cloud Monitoring go, and what the settings say about them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from perkie_cli.config.schema import MonitorSettings
from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.service_levels import Objective, Severity

OWNER = {"managed-by": "perkie"}  # what lacks this label is somebody else's
ID = "perkie-id"
PREFIX = "perkie-"  # of the ids of services
EMAIL = "email:"
_CHANNEL = re.compile(r"projects/[^/]+/notificationChannels/\d+")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.I)


@frozen
class Place:
    """``project``: its id. ``channels`` by severity: Google's names, or ``email:`` and an address.

    ``severities``: Google's words. ``host``: of the public service, for the uptime check. ``runbooks``: the address
    of the folder with the runbooks.
    """

    project: str
    channels: Mapping[Severity, Sequence[str]]
    severities: Mapping[Severity, str]
    host: str | None = None
    runbooks: str | None = None

    @classmethod
    def of(cls, project: str, settings: MonitorSettings) -> Place:
        """Raises: InvalidSetting for a channel, host or address that is none."""
        channels = {Severity.PAGE: settings.page_channels, Severity.TICKET: settings.ticket_channels}
        for severity, given in channels.items():
            for each in given:
                _check_channel(severity, each)
        if settings.uptime_host is not None and not _HOST.fullmatch(settings.uptime_host):
            raise InvalidSetting(
                f"monitor.uptime_host: {settings.uptime_host!r} is no host", hint="Without scheme: perkie.example."
            )
        severities = {Severity.PAGE: settings.page_severity, Severity.TICKET: settings.ticket_severity}
        runbooks = settings.runbooks_url and settings.runbooks_url.rstrip("/")
        return cls(project, channels, severities, settings.uptime_host, runbooks)

    def objective(self, objective: Objective) -> str:
        """Its name in Cloud Monitoring."""
        service = f"projects/{self.project}/services/{PREFIX}{objective.service}"
        return f"{service}/serviceLevelObjectives/{objective.name}"

    @property
    def addresses(self) -> Mapping[str, str]:
        """The e-mail addresses that need a channel of ours, by that channel's id."""
        given = {each for channels in self.channels.values() for each in channels if each.startswith(EMAIL)}
        return {channel_id(each): each.removeprefix(EMAIL) for each in sorted(given)}


def channel_id(given: str) -> str:
    """``email:on-call@shop.example`` as a label: ``email-on-call-shop-example``."""
    return re.sub(r"[^a-z0-9]+", "-", given.lower()).strip("-")[:50]


def _check_channel(severity: Severity, given: str) -> None:
    if _CHANNEL.fullmatch(given) or (given.startswith(EMAIL) and _ADDRESS.fullmatch(given.removeprefix(EMAIL))):
        return
    raise InvalidSetting(
        f"monitor.{severity}_channels: {given!r} is no channel",
        hint="Write email:ADDRESS, or projects/P/notificationChannels/N (`gcloud beta monitoring channels list`).",
    )
