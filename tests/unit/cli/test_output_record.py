"""What perkie remembers of the files that it made."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from perkie_cli.batch.files import write_atomically
from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.names import plan_targets
from perkie_cli.batch.outputs.record import Origin, OutputRecord, OutputState
from perkie_cli.batch.photos.inputs import expand
from perkie_cli.batch.photos.sources import FileSource, InputFile
from perkie_cli.domain.errors import OutputExists, UnwritableFile
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


def origin(source: Path, content: bytes = b"as read") -> Origin:
    """As read before anything changed."""
    return Origin(FileSource(source), "7:1", hashlib.sha256(content).hexdigest(), "ink")


def test_of_two_runs_that_find_a_name_free_one_gets_it(record: OutputRecord, pet: Path) -> None:
    target = pet.parent / "pet_ink.jpg"
    read = replace(origin(pet), version=FileSource(pet).version())
    for data in (b"drawn", b"drawn", b"drawn otherwise by another run"):
        assert record.write(target, read, data, new=True) == []
        assert target.read_bytes() == b"drawn"
    with pytest.raises(OutputExists, match="somebody else wrote it meanwhile"):
        record.write(target, origin(pet.with_name("other.jpg")), b"of another pet", new=True)
    assert target.read_bytes() == b"drawn"
    assert sorted(path.name for path in pet.parent.iterdir()) == ["pet.jpg", "pet_ink.jpg"]


def test_an_input_that_changes_while_it_is_drawn_is_drawn_again(record: OutputRecord, pet: Path) -> None:
    target, source = pet.with_name("pet_ink.jpg"), FileSource(pet)
    pet.write_bytes(b"changed since")
    assert record.write(target, origin(pet), b"drawn") == []
    assert record.state(target, origin(pet, b"changed since")) is OutputState.STALE
    assert record.fresh([target], [source], ["ink"]) == [False]
    assert record.state(target, origin(pet)) is OutputState.FRESH


def test_what_is_surely_fresh_is_known_without_reading_a_photo(record: OutputRecord, pet: Path) -> None:
    target, source = pet.with_name("pet_ink.jpg"), FileSource(pet)
    made = replace(origin(pet), version=source.version())
    record.write(target, made, b"drawn")
    other = pet.with_name("other.jpg")
    assert record.fresh([target, target, other], [source] * 3, ["ink", "oil", "ink"]) == [True, False, False]
    assert record.fresh([target], [FileSource(other)], ["ink"]) == [False]
    record.write(target, made, b"drawn", final=False)
    assert record.fresh([target], [source], ["ink"]) == [False]
    record.write(target, made, b"drawn")
    os.utime(pet, (1, 1))
    assert record.fresh([target], [source], ["ink"]) == [False]


def test_an_input_that_goes_while_it_is_drawn_costs_no_picture(record: OutputRecord, pet: Path) -> None:
    target = pet.with_name("pet_ink.jpg")
    pet.unlink()
    assert record.write(target, origin(pet), b"drawn") == []
    assert target.read_bytes() == b"drawn"


def test_a_file_is_the_same_by_whatever_way_it_is_named(record: OutputRecord, pet: Path) -> None:
    folder = pet.parent
    folder.with_name("link").symlink_to(folder)
    record.write(folder / "pet_ink.jpg", origin(pet), b"drawn")
    for way in (folder / ".." / "photos", folder.with_name("link")):
        assert record.state(way / "pet_ink.jpg", origin(way / "pet.jpg")) is OutputState.FRESH
        assert len(expand([str(pet), str(way / "pet.jpg")], recursive=False, kind=OutputKind.PICTURE).files) == 1
        ours = record.below_folders([str(way)])
        found = expand([str(way)], recursive=False, kind=OutputKind.PICTURE, made_by_us=ours).files
        assert [file.path.name for file in found] == ["pet.jpg"]
        inputs = [InputFile(FileSource(path)) for path in (pet, way / "pet.png")]
        rows = plan_targets(inputs, [["_ink.jpg"]] * 2, None, None, lambda _: {})
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
