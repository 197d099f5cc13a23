"""Storage of quotas, idempotency keys, outputs and spending."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from perkie_cli.domain.errors import NotAuthorised, StoreUnavailable
from perkie_cli.domain.frozen import frozen

if TYPE_CHECKING:
    from perkie_cli.domain.money.spend import Purchase, Spend, Usage
    from perkie_cli.domain.people.identity import Owner

T = TypeVar("T")


STORE_DOWN = (StoreUnavailable, NotAuthorised)
"""The errors of an unusable store: it does not answer, or refuses our credentials."""

Document = Mapping[str, Any]
"""JSON values by name; after ``expires`` (epoch seconds) nobody needs the document."""


@frozen
class DocumentRef:
    """The address of a document. ``id`` has no ``/``; ids with a common prefix can be scanned together."""

    collection: str
    id: str


Change = Callable[[Sequence[Document | None]], tuple[Sequence[Document | None], T]]
"""A pure function from the current documents (None: absent) to the new documents and a result.

It must be idempotent: it is called again after a lost race, or when the change was made but the answer was lost.
If it raises, nothing changes.
"""


class DocumentStore(Protocol):
    """Small documents, changed together in transactions: quotas, idempotency records and so on.

    Every method raises StoreUnavailable when the store does not answer, NotAuthorised when it refuses our credentials.
    """

    @property
    def name(self) -> str:
        """``sqlite:/path``, ``firestore:project`` or ``memory``."""

    async def update(self, refs: Sequence[DocumentRef], change: Change[T]) -> T:
        """Reads the documents, changes them and writes those that differ, in one isolated transaction.

        After a cancellation the change was made as a whole or not at all.
        """

    async def read(self, refs: Sequence[DocumentRef]) -> Sequence[Document | None]:
        """The current documents, in the order of ``refs``."""

    def scan(self, collection: str, prefix: str = "") -> AsyncIterator[tuple[str, Document]]:
        """Streams (id, document) in id order, in bounded memory."""

    async def ping(self) -> None:
        """Checks that the store answers. Raises: StoreUnavailable."""

    async def aclose(self) -> None:
        """Frees connections."""


@frozen
class MadeOutput:
    """A file that perkie made: from which input, and with which options. Paths are spelled as on disk.

    ``stat`` and ``input_stat`` are ``SIZE:MTIME_NS``; ``input_stat`` is empty if the input changed during the work.
    ``final`` is false for a degraded picture, which is made again.
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
        """The record of a file; None if perkie did not make it."""

    def find_all(self, paths: Sequence[bytes]) -> Sequence[MadeOutput]:
        """The records of those files that perkie made, in any order."""

    def put(self, made: MadeOutput) -> None:
        """Records a file; replaces its earlier record."""

    def below(self, folder: bytes) -> list[bytes]:
        """Recorded paths that begin with ``folder``, which ends with a separator."""


class SpendLedger(Protocol):
    """Books the cost of upstream calls, across all processes. Days are UTC.

    Every method raises StoreUnavailable when the store does not answer.
    """

    async def reserve(self, purchase: Purchase, usd: Decimal, cap: Decimal) -> str:
        """Books ``usd`` before a call is made and returns the booking's id.

        A booking that is never settled (the call timed out or was cancelled, or this process died) remains as
        possible spend. Raises: DailyCapReached when the day's bookings would exceed ``cap``; nothing is booked then.
        """

    async def settle(self, booking: str, usage: Usage, *, drawn: bool) -> None:
        """Replaces the reserved amount by the call's actual cost; zero if it was not billed. ``drawn``: it brought a
        picture.
        """

    async def spent(self, day: date) -> Decimal:
        """The sum of a day's bookings, possible spend included."""

    async def report(self, first: date, last: date) -> Sequence[Spend]:
        """The days from ``first`` to ``last``, both included, by day, model and style, without days of no calls."""

    async def report_by_customer(self, first: date, last: date, only: Owner | None = None) -> Sequence[Spend]:
        """The same sums, with those of each customer and session apart, in any order; or of one owner ``only``."""

    async def forget(self, owner: Owner) -> int:
        """Takes the name of an owner who is erased off all bookings, and returns how many had it.

        They stay in the sums. A call under way is settled without a name; one that begins afterwards has it again.

        Raises: StoreUnavailable, also when the name may be left in what the store keeps of earlier states.
        """

    async def ping(self) -> None:
        """Returns when the store answers."""

    async def aclose(self) -> None:
        """Frees connections."""


@frozen
class StateFile:
    """A file of quotas, spending or outputs. ``holds``: what is lost with it; ``wrong``: None if it is whole;
    ``aside``: where it was moved to, if it was; ``unread``: why nobody knows, if it cannot be read at all.
    """

    path: Path
    holds: str
    wrong: str | None
    aside: Path | None = None
    unread: StoreUnavailable | None = None


class StateFiles(Protocol):
    """Checks the local files of quotas, spending and outputs."""

    async def verify(self, *, repair: bool) -> Sequence[StateFile]:
        """Reads every file. A repair moves corrupt ones aside, so that the next command begins new ones."""
