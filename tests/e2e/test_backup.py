"""``perkie backup``: the restore drill. Nothing is lost, nothing half-written, and servers may run meanwhile."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Perkie
from tests.serving import perkie_serve


def used(perkie: Perkie, customer: str) -> int:
    """The pictures that were granted to the customer: as good as used ones, and drawn without a picture."""
    shown = json.loads(perkie("quota", "show", "--customer", customer, "--json").stdout)["results"]
    return int(shown[0]["limit"])


def grant(perkie: Perkie, customer: str, count: int) -> None:
    assert perkie("quota", "grant", str(count), "--customer", customer, "--yes").returncode == 0


def done(perkie: Perkie, *words: object) -> dict[str, Any]:
    ended = perkie("backup", *map(str, words), "--json")
    assert ended.returncode == 0, ended.stderr
    envelope: dict[str, Any] = json.loads(ended.stdout)
    return envelope


def rows(envelope: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    return {each["name"]: each["rows"] for each in envelope["results"]}


def test_the_restore_drill(perkie: Perkie, home: Path, tmp_path: Path, cat: Path) -> None:
    state, copies = home / "state/perkie", tmp_path / "copies"
    grant(perkie, "42", 3)
    drawn = perkie("stylize", cat, "--style", "ink_wash", "--size", "256", "--out-dir", "out/")
    assert drawn.returncode == 0, drawn.stderr
    made = done(perkie, "create", copies)
    path = made["summary"]["path"]
    assert {"quotas.sqlite", "outputs.sqlite", "audit.jsonl"} <= set(rows(made))
    assert rows(done(perkie, "check", path)) == rows(made)
    assert {each.stat().st_mode & 0o777 for each in Path(path).iterdir()} == {0o600}

    grant(perkie, "42", 1)
    grant(perkie, "43", 1)
    assert (used(perkie, "42"), used(perkie, "43")) == (9, 6)
    told = perkie("backup", "restore", path, "--dry-run")
    assert "would restore quotas.sqlite" in told.stdout
    assert perkie("backup", "restore", path).returncode == 2, "it must be confirmed"
    assert (used(perkie, "42"), used(perkie, "43")) == (9, 6)

    restored = done(perkie, "restore", path, "--yes")
    assert (used(perkie, "42"), used(perkie, "43")) == (8, 5)
    records = [json.loads(line)["action"] for line in (state / "audit.jsonl").read_text().splitlines()]
    assert records == ["quota.grant"] * 3 + ["backup.restore"], "audit records are not taken back"
    again = perkie("stylize", cat, "--style", "ink_wash", "--size", "256", "--out-dir", "out/")
    assert "already made" in again.stderr, again.stderr

    done(perkie, "restore", restored["summary"]["before"], "--only", "quotas.sqlite", "--yes")
    assert (used(perkie, "42"), used(perkie, "43")) == (9, 6), "a restore can be taken back"


def test_after_the_loss_of_the_whole_state_folder(perkie_here: Perkie, home: Path, tmp_path: Path) -> None:
    grant(perkie_here, "42", 3)
    path = done(perkie_here, "create", tmp_path)["summary"]["path"]
    state = home / "state/perkie"
    state.rename(home / "lost")
    done(perkie_here, "restore", path, "--yes")
    assert used(perkie_here, "42") == 8
    assert "quota.grant" in (state / "audit.jsonl").read_text()
    assert {each.stat().st_mode & 0o777 for each in state.iterdir() if each.is_file()} == {0o600}


def test_a_corrupt_file_is_replaced_and_kept_aside(perkie_here: Perkie, home: Path, tmp_path: Path) -> None:
    grant(perkie_here, "42", 3)
    path = done(perkie_here, "create", tmp_path)["summary"]["path"]
    quotas = home / "state/perkie/quotas.sqlite"
    quotas.write_bytes(b"no database" * 1000)
    for companion in ("-wal", "-shm"):
        quotas.with_name(quotas.name + companion).unlink(missing_ok=True)
    done(perkie_here, "restore", path, "--yes")
    assert used(perkie_here, "42") == 8
    assert [each for each in quotas.parent.iterdir() if ".corrupt-" in each.name]


def test_a_corrupt_file_that_was_not_chosen_stays(perkie: Perkie, home: Path, tmp_path: Path) -> None:
    """With it gone everybody would start at zero, and nobody had asked for it."""
    grant(perkie, "42", 3)
    path = done(perkie, "create", tmp_path)["summary"]["path"]
    state = home / "state/perkie"
    (state / "quotas.sqlite").write_bytes(b"no database" * 1000)
    (state / "audit.jsonl").unlink()
    restored = done(perkie, "restore", path, "--only", "audit.jsonl", "--yes")
    assert (state / "quotas.sqlite").read_bytes() == b"no database" * 1000
    assert "quota.grant" in (state / "audit.jsonl").read_text()
    assert [each.name for each in Path(restored["summary"]["before"]).iterdir()] == ["manifest.json"]


def test_a_running_server_sees_what_was_restored(perkie_here: Perkie, home: Path, tmp_path: Path) -> None:
    with perkie_serve(home, env={"XDG_STATE_HOME": str(home / "state")}) as server:

        def limit() -> int:
            answer = httpx.get(f"{server.url}/api/v1/quota", params={"customer_id": "42"}, timeout=60)
            return int(answer.json()["quota"]["limit"])

        grant(perkie_here, "42", 3)
        assert limit() == 8
        path = done(perkie_here, "create", tmp_path)["summary"]["path"]
        grant(perkie_here, "42", 1)
        assert limit() == 9
        done(perkie_here, "restore", path, "--yes")
        assert limit() == 8
        grant(perkie_here, "42", 2)
        assert limit() == 10
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("damage", "code", "said"),
    [
        ("quotas.sqlite", 9, "another checksum"),
        ("manifest.json", 9, "is damaged"),
        ("none", 3, "is no backup"),
        ("gone", 9, "quotas.sqlite is missing"),
        ("outside", 9, "outside of the backup"),
    ],
)
def test_a_damaged_backup_changes_nothing(
    perkie_here: Perkie, tmp_path: Path, damage: str, code: int, said: str
) -> None:
    grant(perkie_here, "42", 3)
    path = Path(done(perkie_here, "create", tmp_path)["summary"]["path"])
    match damage:
        case "none":
            (path / "manifest.json").unlink()
        case "gone":
            (path / "quotas.sqlite").unlink()
        case "outside":
            text = (path / "manifest.json").read_text()
            (path / "manifest.json").write_text(text.replace('"quotas.sqlite"', '"../quotas.sqlite"'))
        case name:
            data = bytearray((path / name).read_bytes())
            data[len(data) // 2] ^= 0xFF
            (path / name).write_bytes(bytes(data) if name.endswith("sqlite") else b"{")
    grant(perkie_here, "42", 1)
    for words in (("check", path), ("restore", path, "--yes")):
        ended = perkie_here("backup", *map(str, words))
        assert (ended.returncode, said in ended.stderr) == (code, True), ended.stderr
    assert used(perkie_here, "42") == 9


def test_only_the_newest_are_kept_and_nothing_else_is_touched(perkie_here: Perkie, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    (folder / "perkie-notes-Z").mkdir(parents=True)
    grant(perkie_here, "42", 3)
    paths = [done(perkie_here, "create", folder, "--keep", 2)["summary"]["path"] for _ in range(3)]
    assert sorted(map(str, folder.iterdir())) == sorted([str(folder / "perkie-notes-Z"), *paths[1:]])


def test_what_a_killed_backup_left_is_removed_and_that_of_a_running_one_is_not(
    perkie_here: Perkie, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    killed, running, foreign = (
        folder / name
        for name in (".perkie-20261129T000000Z.17.tmp", ".perkie-20261129T000000Z-2.18.tmp", ".perkie-notes.tmp")
    )
    for each in (killed, running, foreign):
        each.mkdir(parents=True)
        (each / "quotas.sqlite").write_bytes(b"half")
    handle = os.open(running, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # as its maker does
        assert perkie_here("backup", "create", str(folder)).returncode == 0
        assert (killed.exists(), running.exists(), foreign.exists()) == (False, True, True)
    finally:
        os.close(handle)
    assert perkie_here("backup", "create", str(folder)).returncode == 0
    assert {each.name for each in folder.iterdir() if each.name.startswith(".")} == {foreign.name}


def test_a_file_of_another_version_is_left_out(perkie: Perkie, tmp_path: Path) -> None:
    grant(perkie, "42", 3)
    path = Path(done(perkie, "create", tmp_path)["summary"]["path"])
    manifest = json.loads((path / "manifest.json").read_text())
    data = b"one\n"
    (path / "new.jsonl").write_bytes(data)
    new = {"name": "new.jsonl", "rows": {"lines": 1}, "size": 4, "sha256": hashlib.sha256(data).hexdigest()}
    (path / "manifest.json").write_text(json.dumps({**manifest, "version": "9.9", "files": [new, *manifest["files"]]}))
    grant(perkie, "42", 1)
    for words in (("--dry-run",), ("--yes",)):
        restored = done(perkie, "restore", path, *words)
        assert "new.jsonl" not in rows(restored)
        assert restored["warnings"] == ["left out, since only the perkie 9.9 that made the backup knows it: new.jsonl"]
    assert used(perkie, "42") == 8
    assert perkie("backup", "restore", str(path), "--only", "new.jsonl", "--yes").returncode == 3


@pytest.mark.parametrize("damage", ["a folder", "a page"])
def test_what_cannot_be_copied_is_named(perkie: Perkie, home: Path, tmp_path: Path, damage: str) -> None:
    grant(perkie, "42", 3)
    state = home / "state/perkie"
    if damage == "a folder":
        (state / "audit.jsonl").unlink()
        (state / "audit.jsonl").mkdir()
        code, said = 3, f"{state}/audit.jsonl cannot be read: Is a directory"
    else:
        data = bytearray((state / "quotas.sqlite").read_bytes())
        data[4096:] = b"x" * (len(data) - 4096)
        (state / "quotas.sqlite").write_bytes(data)
        code, said = 9, f"{state}/quotas.sqlite is corrupt"
    ended = perkie("backup", "create", str(tmp_path / "copies"))
    assert (ended.returncode, said in ended.stderr) == (code, True), ended.stderr
    assert "Use another backup" not in ended.stderr


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    folder.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_no_half_backup(perkie: Perkie, tmp_path: Path) -> None:
    grant(perkie, "42", 3)
    with small_disk(tmp_path / "small", "16k") as small:
        ended = perkie("backup", "create", str(small))
        assert ended.returncode == 9, ended.stderr
        assert f"the disk of the backup in {small} is full" in ended.stderr
        assert list(small.iterdir()) == []


def test_a_full_disk_can_be_backed_up_to_another(perkie: Perkie, home: Path, tmp_path: Path) -> None:
    with small_disk(home / "state", "256k") as small:
        grant(perkie, "42", 3)
        with suppress(OSError), (small / "filled").open("wb", buffering=0) as file:
            while file.write(b"x" * 1024):
                pass
        path = done(perkie, "create", tmp_path / "copies")["summary"]["path"]
    done(perkie, "restore", path, "--yes")
    assert used(perkie, "42") == 8


def test_an_older_ledger_is_completed(perkie_here: Perkie, home: Path, tmp_path: Path) -> None:
    """Two versions of the schema side by side, as during a rollback: a backup of an older version has fewer columns."""
    assert perkie_here("cost", "report").returncode == 0
    state = home / "state/perkie"
    state.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(state / "spend.sqlite")) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.executescript(
            "DROP TABLE IF EXISTS booking; CREATE TABLE booking (id TEXT PRIMARY KEY, day TEXT NOT NULL, "
            "model TEXT NOT NULL, nanodollars INTEGER NOT NULL, open INTEGER NOT NULL, "
            "input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID; "
            "INSERT INTO booking VALUES ('a', '2026-11-29', 'm', 39000000, 0, 1, 2)"
        )
    path = done(perkie_here, "create", tmp_path)["summary"]["path"]
    done(perkie_here, "restore", path, "--yes")
    with closing(sqlite3.connect(state / "spend.sqlite")) as restored:
        assert restored.execute("SELECT id, style, drawn FROM booking").fetchall() == [("a", "", 1)]
