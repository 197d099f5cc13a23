"""What perkie remembers of the files that it made, over files that other processes and older versions use, too."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.ports import MadeOutput, OutputStore
from perkie_cli.stores.sqlite.outputs import SqliteOutputs

PET = MadeOutput(b"/a/pet_ink.jpg", "3:1", "00" * 32, b"/a/pet.jpg", "9:1", "11" * 32, "ink", True)
FIRST_SCHEMA = """CREATE TABLE IF NOT EXISTS outputs (
    path BLOB PRIMARY KEY, stat TEXT NOT NULL, sha256 TEXT NOT NULL,
    input BLOB NOT NULL, input_stat TEXT NOT NULL, input_sha256 TEXT NOT NULL,
    options TEXT NOT NULL, final INTEGER NOT NULL) WITHOUT ROWID"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outputs.sqlite"


@pytest.fixture(params=[SqliteOutputs])
def store(request: pytest.FixtureRequest, file: Path) -> OutputStore:
    make: Callable[[Path], OutputStore] = request.param
    return make(file)


def test_what_was_put_is_found_until_it_is_replaced(store: OutputStore) -> None:
    assert store.find(PET.path) is None
    for made in (PET, replace(PET, final=False, options="van_gogh", input_stat="")):
        store.put(made)
        assert store.find(PET.path) == made
    assert store.find(b"/a/pet_ink.jp") is None


def test_many_are_found_at_once(store: OutputStore) -> None:
    made = [replace(PET, path=b"/a/%d.jpg" % number, final=number % 2 == 0) for number in range(1200)]
    for each in made[::100]:
        store.put(each)
    found = store.find_all([each.path for each in made])
    assert sorted(found, key=lambda each: int(each.path[3:-4])) == made[::100]
    assert list(store.find_all([])) == []


def test_names_need_not_be_text(store: OutputStore) -> None:
    made = replace(PET, path=b"/a/\xff\x00%_.jpg", input=b"/\xfe")
    store.put(made)
    assert store.find(made.path) == made


def test_paths_below_a_folder(store: OutputStore) -> None:
    for path in (b"/a/1.jpg", b"/a/b/2.jpg", b"/ab/3.jpg", b"/a_/4.jpg", b"/\xff/5.jpg"):
        store.put(replace(PET, path=path))
    assert sorted(store.below(b"/a/")) == [b"/a/1.jpg", b"/a/b/2.jpg"]
    assert store.below(b"/\xff/") == [b"/\xff/5.jpg"]
    assert store.below(b"/none/") == []


def test_only_its_user_may_read_it(store: OutputStore, file: Path) -> None:
    store.put(PET)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o077 == 0


def test_a_record_that_cannot_be_used_is_named(store: OutputStore, file: Path) -> None:
    file.mkdir(parents=True)
    for call in (lambda: store.find(b"/a"), lambda: store.put(PET), lambda: store.below(b"/")):
        with pytest.raises(StoreUnavailable, match=str(file)):
            call()
    file.rmdir()
    store.put(PET)
    assert store.find(PET.path) == PET


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_file_of_an_earlier_version_is_read_on_and_closed_to_others(file: Path, journal: str) -> None:
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as db, db:
        db.execute(f"PRAGMA journal_mode = {journal}")
        db.execute(FIRST_SCHEMA)
        row = (b"/a/pet_ink.jpg", "3:1", "00" * 32, b"/a/pet.jpg", "9:1", "11" * 32, "ink", 1)
        db.execute("INSERT INTO outputs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    file.chmod(0o644)
    store = SqliteOutputs(file)
    assert store.find(PET.path) == PET
    store.put(replace(PET, path=b"/a/other.jpg"))
    assert len(store.below(b"/a/")) == 2
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_an_earlier_version_left_empty_is_filled(file: Path) -> None:
    file.parent.mkdir()
    file.touch()
    store = SqliteOutputs(file)
    assert store.find(PET.path) is None
    store.put(PET)
    assert store.find(PET.path) == PET


def put_many(file: Path, worker: int) -> None:
    store = SqliteOutputs(file)
    for number in range(20):
        store.put(replace(PET, path=b"/%d/%d" % (worker, number)))


def test_processes_that_begin_together_lose_nothing(file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=put_many, args=(file, worker)) for worker in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(120)
    assert [each.exitcode for each in workers] == [0, 0, 0]
    assert len(SqliteOutputs(file).below(b"/")) == 60
