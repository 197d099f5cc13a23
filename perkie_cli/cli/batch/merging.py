"""``perkie report merge``: the journals of shards and attempts as one run."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

from perkie_cli.batch.files import holds, read_input
from perkie_cli.batch.logbook import run_id
from perkie_cli.batch.machines.merge import Attempt, attempt_of, merged, missing
from perkie_cli.batch.machines.parts import RUNS
from perkie_cli.batch.outputs.address import ObjectPath
from perkie_cli.batch.photos.inputs import is_bucket
from perkie_cli.cli.batch.rows import AttemptRow
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import NotFound, UnreadableFile
from perkie_cli.domain.money.spend import dollars
from perkie_cli.domain.runs import Item, Outcome, Run, Status

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

PART = re.compile(r"[0-9]{5,}\.jsonl")
LARGEST = 256 * 1024 * 1024  # bytes of one part
AT_ONCE = 8  # parts read together
Part = tuple[str, bytes]


async def merge(services: Services, renderer: Renderer, places: Sequence[str], since: timedelta | None) -> Report:
    """Reads the journals, joins them and records the run that they are together."""
    attempts = [attempt_of(str(folder), parts) for folder, parts in (await _parts(services, places)).items()]
    once = {each.run.id: each for each in attempts if since is None or each.run.begun >= services.clock.now() - since}
    if not once:
        raise NotFound(f"no journals in {', '.join(places)}", hint="They lie below --out-dir, in .perkie/runs/.")
    found = sorted(once.values(), key=lambda each: (each.run.begun, each.run.id))
    if absent := [str(each) for each in missing(found)]:
        renderer.warn(f"no journal of shard {', '.join(absent)}: what it did is missing here")
    run, items = merged(found, run_id(services.clock.now()))
    await services.io.run(_record, services, run, items)
    failed = sum(item.status is Status.FAILED for item in items)
    usd = sum((each.usd for each in found), Decimal(0))
    summary = {"run": run.id, "state": run.outcome, "total": run.total, "failed": failed, "cost_usd": usd}
    renderer.say(f"`perkie report show {run.id}` tells more")
    told = f"merged: {run.id}, {run.total} items of {len(found)} runs, {failed} failed, {dollars(usd)}"
    return Report([_row(each) for each in found], summary, [_table(found), told])


def _record(services: Services, run: Run, items: Sequence[Item]) -> None:
    assert run.ended is not None, "merged runs have ended"
    services.journal.begin(run, items)
    services.journal.finish(run.id, run.outcome, run.ended)


async def _parts(services: Services, places: Sequence[str]) -> dict[PurePath, list[Part]]:
    """The parts by their folder, in their order."""
    found: dict[PurePath, list[Part]] = defaultdict(list)
    for place in places:
        for path, part in await (_of_bucket(services, place) if is_bucket(place) else _of_folder(services, place)):
            found[path.parent].append(part)
    return found


async def _of_bucket(services: Services, place: str) -> list[tuple[PurePath, Part]]:
    path = ObjectPath.parse(place)
    folder = path if RUNS.parts[0] in path.parts else path / RUNS  # not all the outputs
    listed = await services.buckets.list(path.bucket, folder.object)
    chosen = [each for each in listed if PART.fullmatch(PurePosixPath(each.name).name)]
    turns = asyncio.Semaphore(AT_ONCE)

    async def read(number: int) -> tuple[PurePath, Part]:
        async with turns:
            data = await services.buckets.read(chosen[number])
        return ObjectPath.parse(chosen[number].uri), (chosen[number].uri, data or b"")

    return list(await asyncio.gather(*map(read, range(len(chosen)))))


async def _of_folder(services: Services, place: str) -> list[tuple[PurePath, Part]]:
    def read() -> list[tuple[PurePath, Part]]:
        return [(path, (str(path), read_input(path, LARGEST))) for path in _files(Path(place))]

    return await services.io.run(read)


def _files(place: Path) -> Iterator[Path]:
    if holds(place.is_file):
        yield place
    elif holds(place.is_dir):
        yield from sorted(path for path in place.rglob("*.jsonl") if PART.fullmatch(path.name))
    else:
        raise UnreadableFile(f"{place} does not exist")


def _table(attempts: Sequence[Attempt]) -> Table:
    rows = [
        (row.run, row.shard or "", row.state.value, row.items, row.failed or "", dollars(row.cost_usd))
        for row in map(_row, attempts)
    ]
    return Table(("run", "shard", "state", "items", "failed", "cost"), rows, frozenset({"items", "failed", "cost"}))


def _row(attempt: Attempt) -> AttemptRow:
    failed = sum(item.status is Status.FAILED for item in attempt.items.values())
    shard = None if attempt.shard is None else str(attempt.shard)
    run = attempt.run
    state = Outcome.KILLED if run.outcome is Outcome.RUNNING else run.outcome
    return AttemptRow(run.id, shard, run.begun, run.ended, state, len(attempt.items), failed, attempt.usd)
