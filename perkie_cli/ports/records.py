"""Where quotas, idempotency keys and the spend are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from perkie_cli.domain.errors import NotAuthorised, StoreUnavailable

if TYPE_CHECKING:
    from perkie_cli.domain.money.spend import Spend, Usage

T = TypeVar("T")


STORE_DOWN = (StoreUnavailable, NotAuthorised)
"""What a store that is of no use now raises: it does not answer, or lets nobody in."""

Document = Mapping[str, Any]
"""JSON values by name; ``expires`` (epoch seconds) says when nobody needs the document any more."""


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """Where a document lies. ``id`` has no ``/``; ids that begin alike can be scanned together."""

    collection: str
    id: str


Change = Callable[[Sequence[Document | None]], tuple[Sequence[Document | None], T]]
"""Pure: from the documents as they are (None: absent) to the documents as they shall be, and a result.

It may be called again after a lost race, or after an answer that was lost although the change was made: it must be
idempotent. What it raises leaves everything as it was.
"""


class DocumentStore(Protocol):
    """Small documents, changed together in transactions: quotas, idempotency records and their like.

    Every method raises StoreUnavailable when the store does not answer, NotAuthorised when it lets nobody in.
    """

    @property
    def name(self) -> str:
        """``sqlite:/path``, ``firestore:project`` or ``memory``."""

    async def update(self, refs: Sequence[DocumentRef], change: Change[T]) -> T:
        """Reads the documents, changes them and writes those that differ, atomically and isolated.

        Cancelled, it has happened or not; never a part of it.
        """

    async def read(self, refs: Sequence[DocumentRef]) -> Sequence[Document | None]:
        """The documents as they are, in the order of ``refs``."""

    def scan(self, collection: str, prefix: str = "") -> AsyncIterator[tuple[str, Document]]:
        """Streams (id, document) in id order, in bounded memory."""

    async def ping(self) -> None:
        """Raises StoreUnavailable when the store does not answer."""

    async def aclose(self) -> None:
        """Frees connections."""


@dataclass(frozen=True, slots=True)
class MadeOutput:
    """A file that perkie made: from which input, and with which options. Paths are as the disk has them.

    ``stat`` and ``input_stat`` are ``SIZE:MTIME_NS``; that of an input which changed meanwhile is empty. ``final`` is
    false for a degraded picture, which is made again.
    """

    path: bytes
    stat: str
    sha256: str
    input: bytes
    input_stat: str
    input_sha256: str
    options: str
    final: bool = True


class OutputStore(Protocol):
    """Remembers which files perkie made. Safe for several threads and processes.

    Every method raises StoreUnavailable when the record cannot be used.
    """

    def find(self, path: bytes) -> MadeOutput | None:
        """What is known of the file; None where perkie did not make it."""

    def put(self, made: MadeOutput) -> None:
        """Remembers a file, in the place of what was known of it."""

    def below(self, folder: bytes) -> list[bytes]:
        """Paths that begin with ``folder``, which ends with a separator."""


class SpendLedger(Protocol):
    """Books what upstream calls take, over all processes. Days are UTC.

    Every method raises StoreUnavailable when the store does not answer.
    """

    async def reserve(self, model: str, usd: Decimal, cap: Decimal) -> str:
        """Books ``usd`` before a call is made and returns the booking's id.

        A booking that is never settled (the call timed out, was cancelled, or this process died) stays, as possible
        spend. Raises: DailyCapReached, when the day's bookings would pass ``cap``; nothing is booked then.
        """

    async def settle(self, booking: str, usage: Usage) -> None:
        """Puts what the call really took in the place of what was reserved; nothing, where it was not billed."""

    async def spent(self, day: date) -> Decimal:
        """All of a day's bookings, possible spend included."""

    async def report(self, first: date, last: date) -> Sequence[Spend]:
        """The days from ``first`` to ``last``, both included, by day and model; days without calls are left out."""

    async def ping(self) -> None:
        """Returns when the store answers."""

    async def aclose(self) -> None:
        """Frees connections."""
