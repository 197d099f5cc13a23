"""Joins the journals of shards and attempts into one run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from perkie_cli.batch.machines.parts import item_of, parsed, run_of
from perkie_cli.batch.machines.shard import Shard
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.runs import MADE, OPEN, Item, Outcome, Run, Status


@frozen
class Attempt:
    """What one process did: a shard, or one attempt at it. Without an end, it was killed or still runs."""

    run: Run
    shard: Shard | None
    items: Mapping[int, Item]

    @property
    def usd(self) -> Decimal:
        """What it spent."""
        return sum((item.usd for item in self.items.values()), Decimal(0))


@dataclass(slots=True)
class _Reading:
    run: Run | None = None
    shard: Shard | None = None
    items: dict[int, Item] = field(default_factory=dict)
    end: tuple[datetime | None, Outcome] = (None, Outcome.RUNNING)

    def take(self, fields: Mapping[str, object]) -> None:
        if "run" in fields:
            self.run, self.shard = run_of(fields)
        elif "ended" in fields:
            self.end = datetime.fromisoformat(str(fields["ended"])), Outcome(str(fields["outcome"]))
        else:
            item = item_of(fields)
            self.items[item.place] = item


def attempt_of(name: str, parts: Iterable[tuple[str, bytes]]) -> Attempt:
    """The attempt whose parts these are, in their order, each with its name.

    Raises: InvalidParameter for anything that perkie did not write, or without the first part.
    """
    reading = _Reading()
    for part, data in parts:
        try:
            for fields in parsed(data):
                reading.take(fields)
        except (ValueError, KeyError, TypeError, ArithmeticError, InvalidParameter) as error:
            raise InvalidParameter(f"{part} is no journal of perkie, or damaged ({type(error).__name__})") from error
    if reading.run is None:
        raise InvalidParameter(f"{name} has no beginning", hint="The part 00000.jsonl names the run; copy all parts.")
    ended, outcome = reading.end
    return Attempt(replace(reading.run, ended=ended, outcome=outcome), reading.shard, reading.items)


def merged(attempts: Sequence[Attempt], id_: str) -> tuple[Run, list[Item]]:
    """One run of all of them, and its items: each output once, in its latest state, with the money of all attempts."""
    attempts = sorted(attempts, key=lambda each: each.run.begun)
    items: dict[str, Item] = {}
    for attempt in attempts:
        for item in attempt.items.values():
            known = items.get(item.output)
            items[item.output] = item if known is None else _later(known, item)
    ordered = sorted(items.values(), key=lambda item: (item.source, item.output))
    placed = [replace(item, place=place) for place, item in enumerate(ordered)]
    first = attempts[0].run
    words = tuple(_without_shard(first.words))
    ended = max(each.run.ended or each.run.begun for each in attempts)
    outcome = _outcome(attempts, placed)
    return replace(first, id=id_, words=words, total=len(placed), ended=ended, outcome=outcome), placed


def _without_shard(words: Sequence[str]) -> Iterator[str]:
    rest = iter(words)
    for word in rest:
        if word == "--shard":
            next(rest, None)
        elif not word.startswith("--shard="):
            yield word


def _later(known: Item, new: Item) -> Item:
    """The state of the later attempt, unless that one did not get to the item, or found it done."""
    untold = new.status is Status.WAITING or (known.status in MADE and (new.status in OPEN | {Status.SKIPPED}))
    state = known if untold else new
    seconds, usd = known.seconds + new.seconds, known.usd + new.usd
    return replace(state, seconds=seconds, usd=usd, attempts=max(known.attempts, new.attempts))


def _outcome(attempts: Sequence[Attempt], items: Sequence[Item]) -> Outcome:
    """Finished when every item was; else what ended the last attempts at it."""
    if all(item.status not in OPEN for item in items):
        return Outcome.FINISHED
    latest = {each.shard: each.run.outcome for each in attempts}
    ends = [end for end in latest.values() if end is not Outcome.FINISHED]
    return Outcome.KILLED if not ends or Outcome.RUNNING in ends else ends[-1]


def missing(attempts: Sequence[Attempt]) -> Iterator[Shard]:
    """The shards of which there is no journal: none of their items is in the merged run."""
    seen = {each.shard for each in attempts if each.shard is not None}
    for count in sorted({each.count for each in seen}):
        yield from (each for each in (Shard(index, count) for index in range(count)) if each not in seen)
