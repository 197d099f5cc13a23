"""What Cloud Monitoring keeps for perkie, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from perkie_cli.domain.frozen import frozen

Json = Mapping[str, Any]


class Kind(StrEnum):
    """Kinds of resources, in the order in which they are made: each may name those before it."""

    METRIC = "metric"
    SERVICE = "service"
    OBJECTIVE = "objective"
    CHANNEL = "channel"
    UPTIME = "uptime check"
    POLICY = "alert policy"
    DASHBOARD = "dashboard"


@frozen
class Found:
    """A resource as it is there. ``name`` is Google's, ``body`` its JSON without the fields that are at zero."""

    kind: Kind
    name: str
    labels: Mapping[str, str]
    body: Json


@frozen
class Buckets:
    """How many values were in each bucket; ``counts`` has one more entry than ``bounds``, for what is over the last."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]


@frozen
class Point:
    """One point of a series; ``start`` is when counting began (``end`` for a gauge)."""

    start: datetime
    end: datetime
    value: float | Buckets


@frozen
class TimeSeries:
    """One series, the oldest point first. ``cumulative``: values count from each point's ``start``."""

    metric: str
    labels: Mapping[str, str]
    cumulative: bool
    points: Sequence[Point]


class Monitoring(Protocol):
    """Cloud Monitoring of one project.

    Every method raises StoreUnavailable, MissingCredentials and WrongCredentials; writing also InvalidSetting for what
    Google refuses.
    """

    @property
    def name(self) -> str:
        """For messages: ``monitoring:PROJECT``."""

    async def project(self) -> str:
        """The project's id."""

    def canonical(self, kind: Kind, body: Json) -> Json:
        """The body as it would come back: without fields at zero, durations and enums as Google writes them."""

    async def resources(self, kind: Kind) -> Sequence[Found]:
        """Every resource of that kind in the project, whoever made it; of metrics only perkie's."""

    async def create(self, kind: Kind, id_: str, body: Json) -> Found:
        """Makes a resource. ``id_`` becomes part of the name of a service, or (``service/objective``) objective."""

    async def update(self, found: Found, body: Json) -> Found:
        """Replaces what was found. Raises: ChangesPending if it was changed since."""

    async def delete(self, found: Found) -> None:
        """Deletes what was found; what is gone already is no error."""

    async def series(self, metric: str, first: datetime, last: datetime) -> Sequence[TimeSeries]:
        """The raw series of a metric type with their points between two times."""
