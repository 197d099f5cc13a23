"""What is wrong with an SQLite file is named by its true cause, and what can be read is read."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from perkie_cli.domain.errors import CorruptStore, StoreBroken, StoreFull, StoreUnavailable
from perkie_cli.stores.sqlite.file import move_aside, open_shared, reading, transaction, verdict
from perkie_cli.stores.sqlite.trouble import Cause, StoreFile, cause_of, store_error
from tests.clock import START

SCHEMA = "CREATE TABLE numbers (number INTEGER NOT NULL);"
LARGE = 512 * 1024  # bytes, of a disk for one test


def stored(path: Path) -> None:
    with closing(open_shared(path, SCHEMA, busy_timeout=0.1)) as connection, transaction(connection):
        connection.execute("INSERT INTO numbers VALUES (1)")


def numbers(path: Path) -> list[int]:
    def query(connection: sqlite3.Connection) -> list[int]:
        return [number for (number,) in connection.execute("SELECT number FROM numbers")]

    return reading(path, SCHEMA, lambda: open_shared(path, SCHEMA), query)


def refused(path: Path) -> StoreUnavailable:
    """The error of a write."""
    try:
        stored(path)
    except (sqlite3.Error, OSError) as error:
        return store_error(StoreFile(path, "the store", "perkie state verify --repair"), error)
    raise AssertionError("it was written")


@contextmanager
def disk(at: Path) -> Iterator[Path]:
    """A small disk of its own."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a disk")
    at.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={LARGE}", "tmpfs", at], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def fill(folder: Path) -> Path:
    """Fills the disk to the last block."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return filler


def test_a_full_disk_is_called_full_and_can_be_read(tmp_path: Path) -> None:
    with disk(tmp_path / "disk") as folder:
        path = folder / "numbers.sqlite"
        stored(path)
        filler = fill(folder)
        error = refused(path)
        assert (type(error), error.message, error.exit_code) == (StoreFull, "the disk of the store is full", 9)
        assert "Free some space" in (error.hint or "")
        assert numbers(path) == [1]
        assert verdict(path, SCHEMA) is None
        assert numbers(folder / "never.sqlite") == [], "nothing was ever written, and nothing can be"
        filler.unlink()
        stored(path)
        assert numbers(path) == [1, 1]


def test_a_read_only_disk_is_called_read_only_and_can_be_read(tmp_path: Path) -> None:
    with disk(tmp_path / "disk") as folder:
        path = folder / "numbers.sqlite"
        stored(path)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        error = refused(path)
        assert (type(error), error.message) == (StoreBroken, "the disk of the store is read-only")
        assert numbers(path) == [1]


KILLED_WRITER = """
import os, sys
from pathlib import Path
from tests.integration.storage.test_sqlite_trouble import SCHEMA, open_shared, transaction
connection = open_shared(Path(sys.argv[1]), SCHEMA)
with transaction(connection):
    connection.execute("INSERT INTO numbers VALUES (2)")
os._exit(9)
"""


def test_a_frozen_view_never_hides_commits_that_are_still_in_the_log(tmp_path: Path) -> None:
    with disk(tmp_path / "disk") as folder:
        path = folder / "numbers.sqlite"
        stored(path)
        done = subprocess.run([sys.executable, "-c", KILLED_WRITER, path], cwd=Path(__file__).parents[3], check=False)
        assert done.returncode == 9
        log = path.with_name("numbers.sqlite-wal")
        assert log.stat().st_size > 0
        path.with_name("numbers.sqlite-shm").unlink()
        fill(folder)
        with pytest.raises(sqlite3.OperationalError):
            numbers(path)


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Root may do anything: step down for a moment."""
    for each in (folder, *folder.parents[:3]):
        each.chmod(each.stat().st_mode | 0o055)
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_of_somebody_else_is_called_denied_and_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "numbers.sqlite"
    stored(path)
    path.chmod(0o444)
    with as_nobody(tmp_path):
        error = refused(path)
        assert (type(error), error.message) == (StoreBroken, "the store cannot be used: permission denied")
        assert numbers(path) == [1]


def test_a_locked_file_is_worth_another_try(tmp_path: Path) -> None:
    path = tmp_path / "numbers.sqlite"
    stored(path)
    with closing(open_shared(path, SCHEMA)) as holder, transaction(holder):
        error = refused(path)
    assert (type(error), error.exit_code, error.retryable) == (StoreUnavailable, 5, True)
    assert "locked by another process" in error.message
    assert f"fuser {path}" in (error.hint or "")


def garbage(path: Path) -> None:
    path.write_bytes(b"a shopping list, by no means a database" * 50)


def torn(path: Path) -> None:
    with closing(open_shared(path, SCHEMA)) as connection:
        connection.executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in range(20_000)])
    data = bytearray(path.read_bytes())
    data[8192:12288] = b"\xff" * 4096
    path.write_bytes(data)


def shortened(path: Path) -> None:
    torn(path)
    path.write_bytes(path.read_bytes()[:6000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def another(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE letters (letter TEXT)")


@pytest.mark.parametrize("broken", [garbage, torn, shortened, empty, another], ids=lambda each: each.__name__)
def test_a_corrupt_file_is_found_moved_aside_and_replaced(tmp_path: Path, broken: Callable[[Path], None]) -> None:
    path = tmp_path / "numbers.sqlite"
    broken(path)
    before = path.read_bytes()
    assert verdict(path, SCHEMA) is not None
    assert path.read_bytes() == before, "looking changes nothing"
    aside = move_aside(path, START)
    assert (aside.name, aside.read_bytes()) == ("numbers.sqlite.corrupt-20261121T120000", before)
    stored(path)
    assert (verdict(path, SCHEMA), numbers(path)) == (None, [1])
    broken(path)
    assert move_aside(path, START).name == "numbers.sqlite.corrupt-20261121T120000-1", "the first one is kept"


def test_a_corrupt_file_names_the_command_that_mends_it(tmp_path: Path) -> None:
    path = tmp_path / "numbers.sqlite"
    garbage(path)
    error = refused(path)
    assert (type(error), error.exit_code) == (CorruptStore, 9)
    assert "file is not a database" in error.message
    assert "perkie state verify --repair" in (error.hint or "")


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_LOCKED])
def test_extended_codes_count_as_their_primary_one(tmp_path: Path, code: int) -> None:
    error = sqlite3.OperationalError("busy")
    error.sqlite_errorcode = code
    assert cause_of(error, tmp_path / "numbers.sqlite") is Cause.LOCKED
