"""All services of the emulated Cloud Monitoring together: some refuse what others do not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from perkie_cli.emulators.monitoring.calls import Service
from perkie_cli.emulators.monitoring.channels import Channels, UptimeChecks
from perkie_cli.emulators.monitoring.dashboards import Dashboards
from perkie_cli.emulators.monitoring.objectives import ServiceLevels
from perkie_cli.emulators.monitoring.policies import AlertPolicies
from perkie_cli.ports import Clock


class Configuration:
    """Objectives, alert policies, channels, uptime checks and dashboards over the metrics of ``descriptors``."""

    def __init__(self, clock: Clock, descriptors: Mapping[str, Any]) -> None:
        self.levels = ServiceLevels(descriptors)
        self.channels = Channels(clock, lambda: self.policies.kept.messages.values())
        self.uptime = UptimeChecks(lambda: self.policies.kept.messages.values())
        self.policies = AlertPolicies(clock, descriptors, self.levels.objectives, self.channels.kept)
        self.dashboards = Dashboards()

    @property
    def services(self) -> Sequence[Service]:
        """To be served."""
        return self.levels, self.channels, self.uptime, self.policies, self.dashboards

    @property
    def counts(self) -> Mapping[str, int]:
        """How many resources of each kind there are."""
        return {
            "services": len(self.levels.services.messages),
            "objectives": len(self.levels.objectives.messages),
            "channels": len(self.channels.kept.messages),
            "uptime_checks": len(self.uptime.kept.messages),
            "policies": len(self.policies.kept.messages),
            "dashboards": len(self.dashboards.kept.messages),
        }
