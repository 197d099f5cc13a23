"""Inputs as they are typed, outputs as they are remembered: over real files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from perkie_cli.batch.files import write_atomically
from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.outputs.record import Origin, OutputRecord, OutputState
from perkie_cli.batch.photos.inputs import expand
from perkie_cli.batch.photos.sources import FileSource
from perkie_cli.domain.errors import UnwritableFile
from perkie_cli.stores.sqlite.outputs import SqliteOutputs


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = tmp_path / "pet.png"
    made.write_bytes(b"photo")
    return made


@pytest.fixture
def record(tmp_path: Path) -> OutputRecord:
    return OutputRecord(SqliteOutputs(tmp_path / "state" / "outputs.sqlite"))


def make(record: OutputRecord, target: Path, source: Path, *, final: bool = True) -> None:
    target.parent.mkdir(exist_ok=True)
    assert record.write(target, origin(source), b"picture", final=final) == []


def origin(source: Path, options: str = "ink") -> Origin:
    """As a photo that was read just now."""
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest() if source.exists() else ""
    return Origin(FileSource(source), FileSource(source).version(), sha256, options)


def test_an_output_is_fresh_until_something_changes(record: OutputRecord, source: Path, tmp_path: Path) -> None:
    target, other = tmp_path / "out.jpg", tmp_path / "other.png"
    assert record.state(target, origin(source)) is OutputState.ABSENT
    make(record, target, source)
    for file in (target, source):
        os.utime(file, (1, 1))  # as a copy or a checkout leaves it
    assert record.state(target, origin(source)) is OutputState.FRESH
    assert record.state(target, origin(source, "bold ink")) is OutputState.STALE
    assert record.state(target, origin(other)) is OutputState.FOREIGN
    make(record, target, source, final=False)
    assert record.state(target, origin(source)) is OutputState.STALE
    target.write_bytes(b"my own")
    assert record.state(target, origin(source)) is OutputState.FOREIGN


def test_outputs_are_known_by_their_folder(record: OutputRecord, source: Path, tmp_path: Path) -> None:
    for folder in ("pets", "pets2"):
        make(record, tmp_path / folder / "out.jpg", source)
    assert record.below(tmp_path / "pets") == [tmp_path / "pets" / "out.jpg"]


def test_a_folder_gives_its_pictures_once(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "._a.png", "note.txt", "made.jpg"):
        (tmp_path / name).touch()
    typed = [str(tmp_path), str(tmp_path / "a.png")]
    found = expand(typed, recursive=False, kind=OutputKind.PICTURE, made_by_us=[tmp_path / "made.jpg"]).files
    assert [file.path.name for file in found] == ["a.png", "b.JPG"]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "out.jpg").mkdir()
    with pytest.raises(UnwritableFile):
        write_atomically(tmp_path / "out.jpg", b"picture")
    assert [path.name for path in tmp_path.iterdir()] == ["out.jpg"]


def test_folders_within_are_searched_in_order_hidden_ones_are_not(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/1.png", "a.png", "b.png", ".thumbs/3.png", "c/d/4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    found = expand([str(tmp_path)], recursive=True, kind=OutputKind.PICTURE).files
    assert [str(file.path.relative_to(tmp_path)) for file in found] == [
        "a.png",
        "b/1.png",
        "b/2.png",
        "b.png",
        "c/d/4.png",
    ]
    assert [str(file.folder) for file in found] == [".", "b", "b", ".", "c/d"]
    flat = expand([str(tmp_path)], recursive=False, kind=OutputKind.PICTURE).files
    assert [file.path.name for file in flat] == ["a.png", "b.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_one_failing_item(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "closed").mkdir(mode=0)
    found = expand([str(tmp_path)], recursive=True, kind=OutputKind.PICTURE).files
    assert [file.path.name for file in found] == ["a.png", "closed"]
