"""Cloud Run services, what drives a revision before customers do, and what it answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from perkie_cli.domain.deploy.gate import Rule, Sample
from perkie_cli.domain.deploy.live import LiveRevision, LiveService
from perkie_cli.domain.deploy.traffic import Split
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.iam import Members


@frozen
class ServiceChange:
    """One update: the traffic, all annotations, and with a ``template`` (JSON of API v2) a new revision."""

    service: str
    etag: str
    traffic: Split
    annotations: Mapping[str, str]
    template: Mapping[str, Any] | None = None


class RunServices(Protocol):
    """The services of one project and region."""

    async def read(self, service: str) -> LiveService:
        """Raises: NotFound, NotAuthorised, Unavailable."""

    async def members(self, service: str) -> Members:
        """The service's own IAM policy. Raises: NotFound, NotAuthorised, Unavailable."""

    async def revision(self, service: str, name: str) -> LiveRevision | None:
        """None where there is none. Raises: NotAuthorised, Unavailable."""

    async def change(self, change: ServiceChange, *, validate_only: bool = False) -> bool:
        """Whether it was accepted; False if the service is no longer at ``etag``. It then goes on in the background.

        Raises: UpstreamRefused, NotAuthorised, Unavailable (it may have been carried out).
        """

    def request(self, change: ServiceChange) -> Mapping[str, Any]:
        """The request as JSON, for people."""

    async def aclose(self) -> None:
        """Closes the connection."""


class RevisionSamples(Protocol):
    """What a revision answered to its callers. ``trouble``: why that of a revision cannot be read."""

    lateness: float  # seconds of age that are usual
    trouble: dict[str, str]

    async def since(self, revision: str, address: str, began: datetime, rules: Sequence[Rule]) -> Sample:
        """Counts from ``began`` on. ``address``: its own, by tag. It never raises: what cannot be read has no age."""

    async def aclose(self) -> None:
        """Closes connections."""


class Driver(Protocol):
    """Sends a revision requests of synthetic customers."""

    async def prove(self, address: str) -> str:
        """Tries what customers do; empty if it works, else what does not.

        Raises: PerkieError when nothing can be said.
        """

    def steady(self, addresses: Sequence[str]) -> AbstractAsyncContextManager[None]:
        """A few requests to each address, as long as the block runs."""
