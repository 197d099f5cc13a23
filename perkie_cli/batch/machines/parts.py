"""A run's journal beside its outputs, for reports over several machines: ``.perkie/runs/RUN/00000.jsonl``, ….

Objects cannot be appended to, so each part has what happened since the one before and is written once: all of them
together are about as long as one journal. The first ones name every item. A machine that dies takes at most the last
``EVERY`` seconds of its journal along; what it drew and paid is known to the cache and the ledger.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path, PurePath
from typing import Any

from perkie_cli.batch.files import write_private
from perkie_cli.batch.machines.shard import Shard
from perkie_cli.batch.outputs.address import ObjectPath
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.runs import Item, Outcome, Run, Status
from perkie_cli.ports import Buckets, Clock, Workers
from perkie_cli.system.waiting import alongside

EVERY = 30.0  # seconds between two parts
LARGEST = 10_000  # items of a part
RUNS = PurePath(".perkie", "runs")  # below the outputs
EXECUTION, ATTEMPT = "CLOUD_RUN_EXECUTION", "CLOUD_RUN_TASK_ATTEMPT"
MEDIA_TYPE = "application/jsonl"

Write = Callable[[PurePath, bytes], Awaitable[None]]


class Parts:
    """Writes the parts of one run into a folder of its own below ``folder``. ``warn`` is told once of a failure."""

    def __init__(
        self, folder: PurePath, shard: Shard | None, write: Write, clock: Clock, warn: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._shard = shard
        self._write = write
        self._clock = clock
        self._warn = warn
        self._run = ""
        self._number = 0
        self._changed: dict[int, Item] = {}
        self._failed = False
        self._flushing = asyncio.Lock()

    @asynccontextmanager
    async def of(self, run: Run, items: Iterable[Item]) -> AsyncIterator[None]:
        """Records the run during the block. Raises: the errors of writing, before anything is paid."""
        self._run = run.id
        lines = chain([_begun(run, self._shard)], map(_item, items))
        while page := list(islice(lines, LARGEST)):
            await self._put(page)
        async with alongside(self._writing()):
            yield

    def note(self, item: Item) -> None:
        """Records where an item stands now."""
        self._changed[item.place] = item

    async def finish(self, outcome: Outcome, when: datetime) -> None:
        """Writes what is left, and the end."""
        await self._flush([_line({"ended": when.isoformat(), "outcome": outcome})])

    async def _writing(self) -> None:
        while True:
            await self._clock.sleep(EVERY)
            if self._changed:
                await self._flush([])

    async def _flush(self, last: list[str]) -> None:
        """Writes what changed. What cannot be written comes with the next part."""
        async with self._flushing:
            changed, self._changed = self._changed, {}
            try:
                await self._put([*map(_item, changed.values()), *last])
            except PerkieError as error:
                self._changed = {**changed, **self._changed}
                if not self._failed:
                    self._warn(f"the journal beside the outputs could not be written: {error.message}")
                self._failed = True

    async def _put(self, lines: list[str]) -> None:
        path = self._folder / self._run / f"{self._number:05}.jsonl"
        self._number += 1  # a part that could not be written leaves a gap: it may be there all the same
        await self._write(path, "".join(lines).encode())


def runs_folder(out_dir: PurePath, environ: Mapping[str, str] = os.environ) -> PurePath:
    """Where the journals of runs lie: those of a Cloud Run job's execution in one folder."""
    return out_dir / RUNS / environ.get(EXECUTION, "")


def writer(out_dir: PurePath, buckets: Callable[[], Buckets], io: Workers) -> Write:
    """Writes parts into a bucket, or into files that only this user may read: they name customers' photos."""

    async def to_bucket(path: PurePath, data: bytes) -> None:
        assert isinstance(path, ObjectPath), "it is below an address"
        # one that is there is this very part, of an attempt whose answer was lost: nobody else has this run's id
        await buckets().write(path.bucket, path.object, data, content_type=MEDIA_TYPE, metadata={}, generation=0)

    async def to_file(path: PurePath, data: bytes) -> None:
        await io.run(write_private, Path(path), data)

    return to_bucket if isinstance(out_dir, ObjectPath) else to_file


def _begun(run: Run, shard: Shard | None) -> str:
    facts = {"command": run.command, "words": run.words, "folder": run.folder, "begun": run.begun.isoformat()}
    part = None if shard is None else str(shard)
    return _line({"run": run.id, **facts, "total": run.total, "shard": part, "attempt": os.environ.get(ATTEMPT)})


def _item(item: Item) -> str:
    made = {
        "seconds": item.seconds or None,
        "usd": f"{item.usd:f}" if item.usd else None,
        "engine": item.engine or None,
    }
    error = {"code": item.code or None, "message": item.message or None, "hint": item.hint or None}
    names = {"place": item.place, "input": item.source, "output": item.output, "style": item.style or None}
    return _line({**names, "status": item.status, "attempts": item.attempts or None, **made, **error})


def _line(fields: Mapping[str, object]) -> str:
    return json.dumps({name: value for name, value in fields.items() if value is not None}) + "\n"


def item_of(fields: Mapping[str, Any]) -> Item:
    """The item of a line. Raises: KeyError, ValueError, TypeError, ArithmeticError for what ``Parts`` did not write."""
    return Item(
        int(fields["place"]),
        str(fields["input"]),
        str(fields["output"]),
        str(fields.get("style", "")),
        Status(fields["status"]),
        int(fields.get("attempts", 0)),
        float(fields.get("seconds", 0)),
        Decimal(fields.get("usd", 0)),
        *(str(fields.get(name, "")) for name in ("engine", "code", "message", "hint")),
    )


def run_of(fields: Mapping[str, Any]) -> tuple[Run, Shard | None]:
    """The run of a first line, and its shard. Raises: as ``item_of``."""
    words = tuple(str(word) for word in fields["words"])
    begun = datetime.fromisoformat(fields["begun"])
    run = Run(str(fields["run"]), str(fields["command"]), words, str(fields["folder"]), begun, int(fields["total"]))
    return run, None if "shard" not in fields else Shard.parse(fields["shard"])


def parsed(data: bytes) -> Iterator[Mapping[str, Any]]:
    """The lines of a part. Raises: ValueError."""
    for line in data.splitlines():
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise ValueError("a line is no object")  # noqa: TRY004  # of the file, not of an argument
        yield fields
