"""The rows of commands over many photos, and of their reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from decimal import Decimal
from pathlib import Path, PurePath

from perkie_cli.cli.row_parts import IF_ANY, INSIDE, ErrorRow
from perkie_cli.domain.cutouts.result import CutoutFacts
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.pictures.result import PictureFacts
from perkie_cli.domain.runs import Outcome, Status


@frozen
class PictureRow:
    """One style of one input of ``stylize``. ``via``: the way to the upstream, if it is not the usual one."""

    input: str
    output: PurePath | None
    status: Status
    style: str | None = field(default=None, metadata=IF_ANY)
    via: str | None = field(default=None, metadata=IF_ANY)
    facts: PictureFacts | None = field(default=None, metadata=INSIDE)
    warnings: Sequence[str] = ()
    error: ErrorRow | None = field(default=None, metadata=IF_ANY)


@frozen
class CutoutRow:
    """One input of ``remove-bg``."""

    input: str
    output: PurePath | None
    status: Status
    facts: CutoutFacts | None = field(default=None, metadata=INSIDE)
    warnings: Sequence[str] = ()
    error: ErrorRow | None = field(default=None, metadata=IF_ANY)


@frozen
class EstimateRow:
    """The cost of one style of a run: ``to_draw`` of its pictures are neither there nor cached nor refused."""

    style: str
    pictures: int
    there: int
    cached: int
    refused: int
    to_draw: int
    usd_each: Decimal
    usd: Decimal


@frozen
class OrderRow:
    """One open order of the Batch API. ``state``: its job's, in the API's word; ``usd`` as it is booked."""

    order: str
    job: str | None
    state: str
    since: datetime
    pictures: int
    model: str
    usd: Decimal


@frozen
class RunRow:
    """One run over many photos. ``words``: as typed, in ``folder``; ``counts`` by status."""

    run: str
    words: Sequence[str]
    folder: str
    begun: datetime
    ended: datetime | None
    state: Outcome
    total: int
    counts: Mapping[str, int]
    cost_usd: Decimal


@frozen
class AttemptRow:
    """What one process of a merged run did. ``shard``: ``I/N``. One that still runs counts as killed."""

    run: str
    shard: str | None
    begun: datetime
    ended: datetime | None
    state: Outcome
    items: int
    failed: int
    cost_usd: Decimal


@frozen
class ItemRow:
    """One output of a run, as its journal has it. ``attempts`` over all runs, ``seconds`` and ``cost_usd`` of this one.

    ``code``, ``message`` and ``hint`` are the error's.
    """

    input: str
    output: str
    style: str | None
    status: Status
    attempts: int
    seconds: float
    cost_usd: Decimal
    engine: str | None
    code: str | None
    message: str | None
    hint: str | None


@frozen
class SheetRow:
    """A contact sheet."""

    output: Path
    width: int
    height: int
