"""What the doctor names on a full disk: whatever has most of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from perkie_cli.ops.doctor.heaviest import usage


def written(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def test_the_one_large_file_is_named_wherever_it_is(tmp_path: Path) -> None:
    dump = written(tmp_path / "srv" / "dumps" / "heap.hprof", 4_000_000)
    written(tmp_path / "perkie" / "objects" / "a.jpg", 100_000)
    (tmp_path / "perkie" / "link").symlink_to(dump)
    (tmp_path / "perkie" / "loop").symlink_to(tmp_path)
    found = usage(tmp_path)
    assert found.largest == dump
    assert found.of(dump) >= 4_000_000
    assert 100_000 <= found.of(tmp_path / "perkie") < 200_000


def test_a_folder_of_many_is_named_and_not_one_of_them(tmp_path: Path) -> None:
    for number in range(8):
        written(tmp_path / "log" / f"{number}.log", 500_000)
    written(tmp_path / "a", 100_000)
    assert usage(tmp_path).largest == tmp_path / "log"


@pytest.mark.parametrize("seconds", [0, -1])
def test_without_time_nothing_is_named(tmp_path: Path, seconds: float) -> None:
    written(tmp_path / "a", 100_000)
    assert usage(tmp_path, seconds).largest == tmp_path
    assert usage(tmp_path, seconds).of(tmp_path / "a") == 0


def test_another_disk_is_not_entered() -> None:
    found = usage(Path("/"), 0.2)
    assert found.of(Path("/proc")) == 0
    assert found.of(Path("/usr")) > 0
