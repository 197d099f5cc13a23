"""Cloud Run and what its revisions write to Cloud Monitoring. Imports Google's clients, which takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from perkie_cli.ports.rollouts import RevisionSamples, RunServices
from perkie_cli.stores.google.revision_samples import MonitoringSamples
from perkie_cli.stores.google.run_services import GoogleRunServices

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def run_services(its: Services) -> Callable[[str, str], RunServices]:
    """Makes the connection to the services of a project and region; whoever asks closes it."""
    return lambda project, region: GoogleRunServices(project, region, its.environ)


def revision_samples(its: Services) -> Callable[[str], RevisionSamples]:
    """Makes the connection to the metrics of a project; whoever asks closes it."""
    return lambda project: MonitoringSamples(its.clock, project, its.environ)
