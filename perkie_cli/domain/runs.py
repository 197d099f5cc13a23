"""A run over many photos as its journal has it: one item for each output, and how each ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from perkie_cli.domain.frozen import frozen


class Status(StrEnum):
    """Where one output of a run stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CACHED = "cached"
    SKIPPED = "skipped"  # it was there already
    DEGRADED = "degraded"  # a substitute, which the next run makes again
    FAILED = "failed"
    PLANNED = "planned"  # --dry-run
    ORDERED = "ordered"  # of a batch API: a later run collects it


MADE = frozenset({Status.DONE, Status.CACHED, Status.SKIPPED})
OPEN = frozenset({Status.WAITING, Status.RUNNING})


@frozen
class Item:
    """One output of a run. ``attempts`` includes those of earlier runs that did not make it; ``seconds`` and ``usd``
    are those of this run. ``code``, ``message`` and ``hint`` are the error's.
    """

    place: int  # in the run, from 0
    source: str  # as in messages: a path, gs://…, or stdin
    output: str  # an absolute path: the item's name over all runs
    style: str = ""
    status: Status = Status.WAITING
    attempts: int = 0
    seconds: float = 0.0
    usd: Decimal = Decimal(0)
    engine: str = ""
    code: str = ""
    message: str = ""
    hint: str = ""


class Outcome(StrEnum):
    """How a run ended."""

    RUNNING = "running"
    FINISHED = "finished"  # each item was tried
    STOPPED = "stopped"  # after too many failures, or one that all others would meet
    INTERRUPTED = "interrupted"  # Ctrl-C or SIGTERM
    KILLED = "killed"  # its process is gone, and nothing says why


@frozen
class Run:
    """One run. ``words`` are its arguments as typed, ``folder`` is where they were typed."""

    id: str
    command: str
    words: tuple[str, ...]
    folder: str
    begun: datetime
    total: int
    ended: datetime | None = None
    outcome: Outcome = Outcome.RUNNING
    counts: Mapping[Status, int] = field(default_factory=dict)
    usd: Decimal = Decimal(0)

    @property
    def failed(self) -> int:
        """The number of items that failed."""
        return self.counts.get(Status.FAILED, 0)
