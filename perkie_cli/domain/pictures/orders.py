"""Orders: pictures that were asked of an upstream's batch API in one job, to be collected by a later run.

An order is remembered before its job is created, because creating cannot be repeated safely: a job whose answer was
lost is found again by the order's id, which is the job's display name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from perkie_cli.domain.frozen import frozen

COLLECTION = "orders"
KEPT = timedelta(days=30)  # an order that nobody asked for; its job is long gone by then
OVERDUE = timedelta(hours=24)  # within this time a job should be done


class Via(StrEnum):
    """The way to the upstream."""

    ONLINE = "online"  # one call a picture, at once
    BATCH_API = "batch-api"  # many pictures in one job, at half the price, within a day


class Then(StrEnum):
    """What happens to a picture that an order did not bring."""

    ONLINE = "online"  # it is drawn at once, at the usual price
    LEAVE = "leave"


class JobState(StrEnum):
    """Where a job stands upstream. An unknown state counts as pending: it may end yet."""

    PENDING = "pending"
    RUNNING = "running"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self not in (JobState.PENDING, JobState.RUNNING, JobState.UNKNOWN)


@frozen
class UpstreamJob:
    """A job as the upstream shows it. ``said``: its state in the upstream's word; ``answers``: the name of the file."""

    name: str
    display_name: str
    state: JobState
    said: str
    answers: str | None = None


@frozen
class OrderedPicture:
    """One picture of an order, by the parts of its key in the cache; without its owner, who may be erased meanwhile.

    ``booking``: its booking of ``usd`` in the ledger.
    """

    hash: str
    style: str
    fingerprint: str
    size: int
    booking: str
    usd: Decimal


@frozen
class Order:
    """The pictures of one job. ``job``: its name upstream; None while it is not known whether it was created.

    ``file``: the uploaded requests; ``state``: the job's, in the upstream's word, when it was last seen.
    """

    id: str
    model: str
    made: datetime
    pictures: tuple[OrderedPicture, ...]
    file: str
    job: str | None = None
    state: str = ""

    @property
    def usd(self) -> Decimal:
        """What it costs at most, as it is booked."""
        return sum((each.usd for each in self.pictures), Decimal(0))

    def seen(self, job: UpstreamJob) -> Order:
        """This order with its job as it was seen."""
        return replace(self, job=job.name, state=job.said)

    def to_document(self) -> Mapping[str, Any]:
        """The inverse of ``from_document``."""
        return {
            "model": self.model,
            "made": self.made.isoformat(),
            "pictures": [{"row": _row(each)} for each in self.pictures],  # Firestore has no lists in lists
            "file": self.file,
            "job": self.job,
            "state": self.state,
            "expires": (self.made + KEPT).timestamp(),
        }

    @classmethod
    def from_document(cls, id_: str, document: Mapping[str, Any]) -> Order:
        """The order in a document."""
        return cls(
            id_,
            document["model"],
            datetime.fromisoformat(document["made"]),
            tuple(_picture(*each["row"]) for each in document["pictures"]),
            document["file"],
            document["job"],
            document["state"],
        )


def _row(its: OrderedPicture) -> list[object]:
    return [its.hash, its.style, its.fingerprint, its.size, its.booking, str(its.usd)]


def _picture(hash_: str, style: str, fingerprint: str, size: int, booking: str, usd: str) -> OrderedPicture:
    return OrderedPicture(hash_, style, fingerprint, size, booking, Decimal(usd))
