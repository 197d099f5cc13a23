"""What Cloud Run says about a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from perkie_cli.domain.deploy.traffic import Split, named
from perkie_cli.domain.frozen import frozen


@frozen
class LiveService:
    """A service as it is now. ``traffic`` is what was asked for, ``serving`` what is done; ``addresses`` by tag.

    ``ready``: None while it changes; else whether that went well, and ``message`` says why not.
    ``account``: the service account that it runs as. ``asks_nobody``: it lets everybody in, whatever its policy says.
    """

    name: str
    etag: str
    uri: str
    traffic: Split
    serving: Split
    addresses: Mapping[str, str]
    latest_ready: str
    latest_created: str
    image: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    ready: bool | None = None
    message: str = ""
    account: str = ""
    asks_nobody: bool = False

    @property
    def split(self) -> Split:
        """The traffic by names: what floats is what is ready now."""
        return named(self.traffic, self.latest_ready)


@frozen
class LiveRevision:
    """A revision. ``ready``: None while it starts."""

    name: str
    image: str
    ready: bool | None
    message: str = ""
