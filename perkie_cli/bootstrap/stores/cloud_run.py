"""Cloud Run. Imports Google's client, which takes a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from perkie_cli.ports.rollouts import RunServices
from perkie_cli.stores.google.run_services import GoogleRunServices

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def run_services(its: Services) -> Callable[[str, str], RunServices]:
    """Makes the connection to the services of a project and region; whoever asks closes it."""
    return lambda project, region: GoogleRunServices(project, region, its.environ)
