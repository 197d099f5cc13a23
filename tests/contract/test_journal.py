"""What every journal of runs must do."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.domain.runs import Item, Outcome, Run, Status
from perkie_cli.ports import Journal
from perkie_cli.stores.sqlite.journal import SqliteJournal

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
RUN = Run("20261129-120000-0001", "stylize", ("stylize", "photos", "-s", "ink"), "/home/a", NOON, 3)
NAMES = ("cat", "dog", "hen\udcff")  # the last one is no text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "runs.sqlite"


@pytest.fixture(params=[SqliteJournal])
def journal(request: pytest.FixtureRequest, file: Path) -> Journal:
    make: Callable[[Path], Journal] = request.param
    return make(file)


def waiting(names: tuple[str, ...] = NAMES) -> list[Item]:
    return [Item(place, f"{name}.jpg", f"/out/{name}_ink.jpg", "ink") for place, name in enumerate(names)]


def begun(journal: Journal, run: Run = RUN) -> list[Item]:
    items = waiting()
    journal.begin(run, items)
    return items


def failed(item: Item) -> Item:
    return replace(
        item, status=Status.FAILED, attempts=1, code="corrupt_image", message="x\udcff", hint="Save it again"
    )


def test_a_run_that_was_killed_says_what_it_had_done(journal: Journal, file: Path) -> None:
    cat, dog, hen = begun(journal)
    journal.started(RUN.id, 0, 1)
    done = replace(cat, status=Status.DONE, attempts=1, seconds=1.5, usd=Decimal("0.0357"), engine="gemini")
    journal.ended(RUN.id, done)
    journal.started(RUN.id, 1, 2)
    journal.close()
    found = SqliteJournal(file)
    assert list(found.items(RUN.id)) == [done, replace(dog, status=Status.RUNNING, attempts=2), hen]
    (run,) = found.runs(10)
    counts = {Status.DONE: 1, Status.RUNNING: 1, Status.WAITING: 1}
    assert run == replace(RUN, counts=counts, usd=Decimal("0.0357"))


def test_the_end_of_a_run(journal: Journal) -> None:
    begun(journal)
    journal.finish(RUN.id, Outcome.INTERRUPTED, NOON + timedelta(minutes=2))
    (run,) = journal.find("2026")
    assert (run.outcome, run.ended) == (Outcome.INTERRUPTED, NOON + timedelta(minutes=2))


def test_items_by_their_status(journal: Journal) -> None:
    cat, dog, _ = begun(journal)
    journal.ended(RUN.id, failed(dog))
    assert [item.source for item in journal.items(RUN.id, frozenset({Status.FAILED}))] == ["dog.jpg"]
    assert [item.source for item in journal.items(RUN.id, frozenset({Status.WAITING}))] == [cat.source, "hen\udcff.jpg"]
    assert list(journal.items("nobody")) == []


def test_the_last_try_of_an_output_over_all_runs(journal: Journal) -> None:
    cat, dog, hen = begun(journal)
    journal.ended(RUN.id, failed(cat))
    journal.ended(RUN.id, failed(dog))
    later = replace(RUN, id="20261129-130000-0002", begun=NOON + timedelta(hours=1))
    begun(journal, later)
    journal.ended(later.id, replace(dog, status=Status.DONE))
    journal.ended(later.id, replace(hen, status=Status.SKIPPED))
    last = journal.last([item.output for item in (cat, dog, hen)] + ["/out/other.jpg"])
    assert {name: item.status for name, item in last.items()} == {cat.output: Status.FAILED, dog.output: Status.DONE}


def test_many_items(journal: Journal) -> None:
    items = [Item(place, f"{place}.jpg", f"/out/{place}.jpg") for place in range(1234)]
    journal.begin(replace(RUN, total=1234), items)
    assert list(journal.items(RUN.id)) == items
    for item in items[::7]:
        journal.ended(RUN.id, failed(item))
    assert len(journal.last(item.output for item in items)) == len(items[::7])


def test_runs_newest_first_and_by_the_beginning_of_their_id(journal: Journal) -> None:
    assert (journal.runs(5), journal.find("")) == ([], [])
    for hour in range(3):
        begun(journal, replace(RUN, id=f"20261129-1{hour}0000-aaaa", begun=NOON + timedelta(hours=hour)))
    assert [run.id[9:11] for run in journal.runs(2)] == ["12", "11"]
    assert [run.id[9:11] for run in journal.find("20261129-11")] == ["11"]
    assert [run.id[9:11] for run in journal.find("")] == ["12"]
    assert len(journal.find("2026")) == 3


def test_old_runs_are_dropped(journal: Journal) -> None:
    begun(journal)
    later = replace(RUN, id="20270301-120000-0002", begun=NOON + timedelta(days=91))
    begun(journal, later)
    assert [run.id for run in journal.runs(5)] == [later.id]
    assert list(journal.items(RUN.id)) == []


def test_only_its_user_may_read_it(journal: Journal, file: Path) -> None:
    begun(journal)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_journal_that_cannot_be_used_is_named(journal: Journal, file: Path) -> None:
    file.mkdir(parents=True)
    for call in (lambda: begun(journal), lambda: journal.runs(1), lambda: list(journal.items("x"))):
        with pytest.raises(StoreUnavailable, match=str(file)):
            call()


def write_many(file: Path, number: int) -> None:
    journal = SqliteJournal(file)
    run = replace(RUN, id=f"run-{number}")
    items = begun(journal, run)
    for _ in range(20):
        for item in items:
            journal.started(run.id, item.place, 1)
            journal.ended(run.id, replace(item, status=Status.DONE))
    journal.finish(run.id, Outcome.FINISHED, NOON)


def test_processes_at_once_lose_nothing(file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write_many, args=(file, number)) for number in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(120)
    assert [each.exitcode for each in workers] == [0, 0, 0]
    assert [(run.outcome, run.counts) for run in SqliteJournal(file).runs(9)] == [
        (Outcome.FINISHED, {Status.DONE: 3})
    ] * 3
