"""The journal of runs over many photos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from perkie_cli.domain.runs import Item, Outcome, Run, Status


class Journal(Protocol):
    """Remembers each run and each of its items, also when the process is killed. For several processes at once.

    Every method blocks, and raises StoreUnavailable when the journal cannot be used.
    """

    def begin(self, run: Run, items: Iterable[Item]) -> None:
        """Records a new run with all its items, and drops runs that began long before it."""

    def started(self, run: str, place: int, attempts: int) -> None:
        """Records that an item is being made, for the ``attempts``-th time."""

    def ended(self, run: str, item: Item) -> None:
        """Records how an item ended."""

    def finish(self, run: str, outcome: Outcome, when: datetime) -> None:
        """Records the end of a run."""

    def last(self, outputs: Iterable[str]) -> Mapping[str, Item]:
        """The last record of each output that some run tried, skipped ones aside."""

    def runs(self, limit: int) -> Sequence[Run]:
        """The newest runs, newest first."""

    def find(self, beginning: str) -> Sequence[Run]:
        """Runs whose id begins so; of an empty beginning the newest one."""

    def items(self, run: str, statuses: frozenset[Status] = frozenset()) -> Iterator[Item]:
        """Streams the run's items in order; ``statuses`` selects some."""

    def close(self) -> None:
        """Closes the file."""
