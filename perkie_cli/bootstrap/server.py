"""What only a server has. Imports prometheus_client, of the extra ``serve``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.ports import Gate
from perkie_cli.resilience.admission import Admission
from perkie_cli.telemetry.prometheus import Metrics

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def metrics(its: Services) -> Metrics:
    """Counts every event and request. Raises: TypeError where the services are not a server's, which count nothing."""
    if not its.is_server:
        raise TypeError("these services are a command's: build them with profile=Profile.SERVER")
    return Metrics(its.audit)


def bodies(its: Services) -> Gate:
    """Bounds the memory of request bodies; more than fit are refused at once."""
    http = its.settings.http
    return Admission(http.max_bodies, http.max_bodies, "uploading")
