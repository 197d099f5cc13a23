"""Parts that only a server has. Imports prometheus_client, from the extra ``serve``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.telemetry.prometheus import Metrics

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def metrics(its: Services) -> Metrics:
    """Counts every event and request. Raises: TypeError for the services of a command, which has no metrics."""
    if not its.is_server:
        raise TypeError("these services were built for a command: use profile=Profile.SERVER")
    return Metrics(its.audit)
