"""The tools that free a full disk, and look at a read-only or damaged one, work there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CAT, Perkie
from tests.integration.storage.test_sqlite_trouble import disk, fill

LOOKING = [
    ("cache", "stats"),
    ("cache", "inspect", "--customer", "42"),
    ("cache", "purge", "--customer", "42", "--dry-run"),
    ("cache", "verify"),
    ("quota", "show", "--customer", "42"),
    ("quota", "show", "--all"),
    ("state", "verify"),
    ("config", "show"),
    ("config", "path"),
]


@pytest.fixture
def full(tmp_path: Path, perkie_here: Perkie, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A full disk with perkie's folders, and a picture and a counter of customer 42 in them."""
    with disk(tmp_path / "disk") as folder:
        for kind in ("CACHE", "STATE"):
            monkeypatch.setenv(f"XDG_{kind}_HOME", str(folder / kind.lower()))
        words = ("-s", "all", "--size", "256", "--customer", "42", "--out-dir", tmp_path / "out")
        assert perkie_here("stylize", CAT, *words).returncode == 0
        assert perkie_here("quota", "grant", "2", "--customer", "42", "--yes").returncode == 0
        fill(folder)
        yield folder


def test_a_full_disk_can_be_looked_at_and_freed(perkie_here: Perkie, full: Path) -> None:
    seen = [perkie_here(*words) for words in LOOKING]
    assert [done.returncode for done in seen] == [0] * len(LOOKING), [done.stderr for done in seen]
    assert "generated/customers/42/" in seen[1].stdout
    assert "7 left" in seen[4].stdout, "5 and the 2 that were granted"
    granted = perkie_here("quota", "grant", "1", "--customer", "42", "--yes")
    assert (granted.returncode, "is full" in granted.stderr) == (9, True)
    purged = perkie_here("cache", "purge", "--customer", "42", "--yes", "--json")
    assert purged.returncode == 0, purged.stdout
    assert json.loads(purged.stdout)["summary"]["count"] == 6
    assert list((full / "cache").rglob("*.jpg")) == []
    assert json.loads(perkie_here("cache", "stats", "--json").stdout)["summary"]["count"] == 0
    assert perkie_here("cache", "verify").returncode == 0
    assert perkie_here("quota", "grant", "1", "--customer", "42", "--yes").returncode == 0, "the purge made room"


def test_a_read_only_disk_can_be_looked_at(perkie_here: Perkie, full: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", full], check=True)
    seen = [perkie_here(*words) for words in LOOKING]
    assert [done.returncode for done in seen] == [0] * len(LOOKING), [done.stderr for done in seen]
    purged = perkie_here("cache", "purge", "--customer", "42", "--yes")
    assert (purged.returncode, "read-only" in purged.stderr) == (9, True)


def test_an_output_on_a_full_disk_ends_the_run_and_is_no_bad_input(perkie: Perkie, tmp_path: Path, cat: Path) -> None:
    cat.with_name("dog.png").write_bytes(cat.read_bytes() + b"x")
    with disk(tmp_path / "disk") as folder:
        fill(folder)
        words = ("cat.png", "dog.png", "-s", "ink_wash", "--size", "256", "--out-dir", folder, "--json")
        done = perkie("stylize", *words)
    body = json.loads(done.stdout)
    assert (done.returncode, body["error"]["code"], body["error"]["retryable"]) == (9, "disk_full", False)
    assert body["warnings"] == ["1 more were not tried: they would fail the same way"]


def test_a_corrupt_index_is_rebuilt_and_its_pictures_are_not_drawn_again(perkie_here: Perkie, home: Path) -> None:
    draw = ("stylize", CAT, "-s", "ink_wash", "--size", "256", "--customer", "42")
    drawn = json.loads(perkie_here(*draw, "-o", "a.jpg", "--json").stdout)["results"][0]
    index = home / "cache" / "perkie" / "index.sqlite"
    index.write_bytes(b"overwritten" * 1000)
    for words in (("cache", "stats"), ("cache", "verify"), ("cache", "purge", "--customer", "42", "--yes")):
        done = perkie_here(*words)
        assert (done.returncode, "perkie cache verify --repair" in done.stderr) == (9, True), done.stderr
    repaired = perkie_here("cache", "verify", "--repair", "--yes")
    assert (repaired.returncode, "damaged index" in repaired.stderr) == (0, True)
    assert [path.name.rpartition("-")[0] for path in index.parent.glob("*corrupt*")] == ["index.sqlite.corrupt"]
    assert perkie_here("cache", "verify").returncode == 0
    again = json.loads(perkie_here(*draw, "-o", "b.jpg", "--json").stdout)["results"][0]
    assert (again["status"], again["cache"]) == ("cached", "hit")
    for fact in ("width", "height", "engine", "model"):
        assert again[fact] == drawn[fact]
    purged = json.loads(perkie_here("cache", "purge", "--customer", "42", "--yes", "--json").stdout)
    assert purged["summary"]["count"] == 2, "an erasure finds what was rebuilt"


def test_a_corrupt_state_file_is_named_and_moved_aside_with_what_is_lost(perkie_here: Perkie, home: Path) -> None:
    assert perkie_here("quota", "grant", "2", "--customer", "42", "--yes").returncode == 0
    quotas = home / "state" / "perkie" / "quotas.sqlite"
    quotas.write_bytes(b"overwritten" * 1000)
    shown = perkie_here("quota", "show", "--customer", "42")
    assert (shown.returncode, "`perkie state verify --repair`" in shown.stderr) == (9, True), shown.stderr
    found = perkie_here("state", "verify")
    assert (found.returncode, "today's use and grants" in found.stdout) == (8, True)
    asked = perkie_here("state", "verify", "--repair")
    assert (asked.returncode, "--yes" in asked.stderr) == (2, True)
    assert perkie_here("state", "verify", "--repair", "--dry-run").returncode == 8
    mended = perkie_here("state", "verify", "--repair", "--yes", "--json")
    assert mended.returncode == 0
    rows = {Path(row["path"]).name: row for row in json.loads(mended.stdout)["results"]}
    assert Path(rows["quotas.sqlite"]["aside"]).read_bytes().startswith(b"overwritten")
    assert rows["spend.sqlite"]["wrong"] is None
    assert "5 left" in perkie_here("quota", "show", "--customer", "42").stdout
    audit = (home / "state" / "perkie" / "audit.jsonl").read_text().splitlines()
    assert json.loads(audit[-1])["action"] == "state.move_aside"


def test_a_state_file_that_cannot_be_read_hides_no_other(perkie_here: Perkie, home: Path) -> None:
    state = home / "state" / "perkie"
    for name in ("quotas.sqlite", "outputs.sqlite"):
        (state / name).mkdir(parents=True)
    (state / "runs.sqlite").write_bytes(b"overwritten" * 1000)
    found = perkie_here("state", "verify", "--json")
    rows = {Path(row["path"]).name: row for row in json.loads(found.stdout)["results"]}
    assert found.returncode == 9
    assert rows["runs.sqlite"]["wrong"] == "file is not a database"
    assert {name for name, row in rows.items() if row["error"]} == {"quotas.sqlite", "outputs.sqlite"}
    mended = perkie_here("state", "verify", "--repair", "--yes")
    assert (mended.returncode, "runs.sqlite  moved to" in mended.stdout) == (9, True)
    assert "error: 2 of 4 files cannot be read" in mended.stderr
    (state / "quotas.sqlite").rmdir()
    left = perkie_here("state", "verify")
    assert (left.returncode, "spend.sqlite  not there yet" in left.stdout) == (9, True)
    assert f"error: {state / 'outputs.sqlite'} cannot be used" in left.stderr
    doctor = perkie_here("doctor", "--only", "state.files", "--json")
    assert [row["level"] for row in json.loads(doctor.stdout)["results"]] == ["error"]
