"""What perkie remembers of the files that it made."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from perkie_cli.batch.files import write_atomically
from perkie_cli.batch.inputs import InputFile, expand
from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.targets import OutputFile, OutputRecord, OutputState, plan_targets
from perkie_cli.domain.errors import UnwritableFile
from perkie_cli.stores.sqlite.outputs import SqliteOutputs


@pytest.fixture
def record(tmp_path: Path) -> OutputRecord:
    return OutputRecord(SqliteOutputs(tmp_path / "state" / "outputs.sqlite"))


@pytest.fixture
def pet(tmp_path: Path) -> Path:
    file = tmp_path / "photos" / "pet.jpg"
    file.parent.mkdir()
    file.write_bytes(b"as read")
    return file


def made(target: Path, source: Path) -> OutputFile:
    return OutputFile(target, source, hashlib.sha256(b"as read").hexdigest(), "ink")


def test_an_input_that_changes_while_it_is_drawn_is_drawn_again(record: OutputRecord, pet: Path) -> None:
    target = pet.with_name("pet_ink.jpg")
    pet.write_bytes(b"changed since")
    assert record.write(made(target, pet), b"drawn") == []
    assert record.state(target, pet, "ink") is OutputState.STALE
    pet.write_bytes(b"as read")
    assert record.state(target, pet, "ink") is OutputState.FRESH


def test_an_input_that_goes_while_it_is_drawn_costs_no_picture(record: OutputRecord, pet: Path) -> None:
    target = pet.with_name("pet_ink.jpg")
    pet.unlink()
    assert record.write(made(target, pet), b"drawn") == []
    assert target.read_bytes() == b"drawn"


def test_a_file_is_the_same_by_whatever_way_it_is_named(record: OutputRecord, pet: Path) -> None:
    folder = pet.parent
    folder.with_name("link").symlink_to(folder)
    record.write(made(folder / "pet_ink.jpg", pet), b"drawn")
    for way in (folder / ".." / "photos", folder.with_name("link")):
        assert record.state(way / "pet_ink.jpg", way / "pet.jpg", "ink") is OutputState.FRESH
        assert len(expand([str(pet), str(way / "pet.jpg")], recursive=False, kind=OutputKind.PICTURE).files) == 1
        ours = record.below_folders([str(way)])
        found = expand([str(way)], recursive=False, kind=OutputKind.PICTURE, made_by_us=ours).files
        assert [file.path.name for file in found] == ["pet.jpg"]
        rows = plan_targets([InputFile(pet), InputFile(way / "pet.png")], ["_ink.jpg"], None, None)
        assert [row[0].name for row in rows] == ["pet-jpg_ink.jpg", "pet-png_ink.jpg"]


@pytest.mark.parametrize("name", [".", "/", "folder"])
def test_a_folder_cannot_be_written_to_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(UnwritableFile):
        write_atomically(Path(name), b"data")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_a_name_may_be_as_long_as_names_get(tmp_path: Path) -> None:
    target = tmp_path / f"{'x' * 251}.jpg"
    write_atomically(target, b"data")
    assert target.read_bytes() == b"data"
