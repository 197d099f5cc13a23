"""What may stand for INPUT: any picture by content, never an output of the same kind, stdin and stdout."""

from __future__ import annotations

import io
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from perkie_cli.batch.mark import OutputKind, mark_of
from tests.conftest import CAT, ROOT, Perkie, counts

PERKIE = [sys.executable, "-m", "perkie_cli"]

SMALL = ("-s", "bw_fine_art", "--size", "256")


def piped(*args: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([*PERKIE, *args], input=given, capture_output=True, check=False, timeout=120, env=env)


def test_a_folder_gives_pictures_by_content(perkie: Perkie, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.jfif", "c.jpe", "noending", "d.JPG"):
        shutil.copy(CAT, folder / name)
    (folder / "notes.txt").write_text("no picture")
    made = perkie("stylize", str(folder), *SMALL, "--out-dir", str(tmp_path / "out"), "--json")
    rows = json.loads(made.stdout)["results"]
    assert [Path(row["input"]).name for row in rows] == ["a.png", "b.jfif", "c.jpe", "d.JPG", "noending"]


def test_links_that_lead_nowhere_are_told_and_those_that_lead_to_photos_are_taken(
    perkie_here: Perkie, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    (folder / "a.png").symlink_to(CAT)
    (folder / "gone.jpg").symlink_to(tmp_path / "gone.jpg")
    words = ("stylize", "-s", "bw_fine_art", "--dry-run", "--out-dir", str(tmp_path / "out"))
    one = perkie_here(*words, str(folder))
    assert (one.returncode, "a.png →" in one.stderr) == (0, True), one.stderr
    assert f"left out: a link that leads nowhere: {folder / 'gone.jpg'}" in one.stderr
    (folder / "below" / "ring.png").symlink_to("ring.png")
    two = perkie_here(*words, "-r", "--json", str(folder), str(folder / "*.*"))
    said = f"left out: 2 links that lead nowhere, such as {folder / 'below' / 'ring.png'}"
    assert json.loads(two.stdout)["warnings"] == [said]
    (folder / "a.png").unlink()
    none = perkie_here(*words, str(folder))
    assert none.returncode == 3
    assert f"{folder} has no pictures, only a link that leads nowhere" in none.stderr


@pytest.mark.parametrize("quoted", [True, False])
def test_a_pattern_never_feeds_on_its_own_outputs(
    perkie_here: Perkie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quoted: bool
) -> None:
    shutil.copy(CAT, tmp_path / "a.png")
    shutil.copy(CAT, tmp_path / "b.jpg")
    pattern = str(tmp_path / "*.[jp][pn]g")
    for run in range(3):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"state{run}"))  # a record that knows of nothing
        words = [pattern] if quoted else sorted(map(str, tmp_path.glob("*.[jp][pn]g")))
        perkie_here("stylize", *words, *SMALL, "--force")
        assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == [
            *("a.png", "a_bw_fine_art.jpg", "b.jpg", "b_bw_fine_art.jpg")
        ]
    assert mark_of(tmp_path / "a_bw_fine_art.jpg") is OutputKind.PICTURE


def test_a_cutout_may_be_drawn_but_not_beside_its_photo(perkie_here: Perkie, tmp_path: Path) -> None:
    cuts, photos = tmp_path / "cuts", tmp_path / "photos"
    photos.mkdir()
    shutil.copy(CAT, photos / "a.png")
    perkie_here("remove-bg", str(photos / "a.png"), "--engine", "builtin", "--out-dir", str(cuts))
    drawn = perkie_here("stylize", str(cuts), *SMALL, "--out-dir", str(tmp_path / "out"))
    assert drawn.stdout.strip().endswith("a_cutout_bw_fine_art.jpg")
    shutil.copy(cuts / "a_cutout.png", photos)
    mixed = perkie_here("stylize", str(photos), *SMALL, "--out-dir", str(tmp_path / "out"))
    assert mixed.stdout.strip().endswith("a_bw_fine_art.jpg")
    assert "left out: 1 picture that perkie made" in mixed.stderr


def test_stdin_and_stdout(tmp_path: Path) -> None:
    made = piped("stylize", "-", *SMALL, "-o", "-", "-q", given=CAT.read_bytes())
    assert (made.returncode, made.stderr) == (0, b"")
    with Image.open(io.BytesIO(made.stdout)) as picture:
        assert (picture.format, max(picture.size)) == ("JPEG", 256)
    cut = piped("remove-bg", "-", "--engine", "builtin", given=CAT.read_bytes())
    assert cut.stdout.startswith(b"\x89PNG")
    assert b"stdin \xe2\x86\x92 stdout" in cut.stderr
    file = piped("stylize", "-", *SMALL, "-o", str(tmp_path / "cat.webp"), given=CAT.read_bytes())
    assert file.stdout.decode().strip() == str(tmp_path / "cat.webp")
    folder = piped("stylize", "-", "-s", "all", "--size", "256", "--out-dir", str(tmp_path), given=CAT.read_bytes())
    assert sorted(map(Path, folder.stdout.decode().split())) == sorted(tmp_path.glob("stdin_*.jpg"))
    assert len(list(tmp_path.glob("stdin_*.jpg"))) == 3, "stdin is read once for all styles"


def test_streams_that_cannot_be_used_are_told_before_anything_is_drawn(tmp_path: Path) -> None:
    nothing = piped("stylize", "-", *SMALL, given=b"")
    assert (nothing.returncode, nothing.stdout) == (3, b"")
    assert b"stdin is empty" in nothing.stderr
    several = piped("stylize", "-", "-s", "all", given=CAT.read_bytes())
    assert (several.returncode, several.stdout) == (2, b"")
    envelope = piped("stylize", "-", *SMALL, "--json", given=CAT.read_bytes())
    assert json.loads(envelope.stdout)["error"]["code"] == "usage_error"
    outer, inner = pty.openpty()
    try:
        shown = subprocess.run(
            [*PERKIE, "stylize", str(CAT), *SMALL, "-o", "-"], stdout=inner, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(inner)
        os.close(outer)
    assert shown.returncode == 2
    assert b"cannot be printed to a terminal" in shown.stderr


def test_a_finished_output_is_not_made_again_because_the_cache_is_left_alone(perkie_here: Perkie, cat: Path) -> None:
    perkie_here("stylize", str(cat), *SMALL)
    again = json.loads(perkie_here("stylize", str(cat), *SMALL, "--no-cache", "--json").stdout)
    assert counts(again["summary"]) == {"total": 1, "skipped": 1}
    anew = json.loads(perkie_here("stylize", str(cat), *SMALL, "--refresh", "--json").stdout)
    assert counts(anew["summary"]) == {"total": 1, "done": 1}


def test_help_without_colour(perkie_here: Perkie) -> None:
    outer, inner = pty.openpty()
    process = subprocess.Popen([*PERKIE, "--no-color", "--help"], stdout=inner, stderr=inner)
    os.close(inner)
    shown = b""
    try:
        while part := os.read(outer, 4096):
            shown += part
    except OSError:  # the other side has closed
        pass
    finally:
        os.close(outer)
        process.wait(60)
    assert b"Usage:" in shown
    assert b"\x1b[3" not in shown
    assert b"\x1b[1;3" not in shown


def test_an_address_is_not_taken_for_a_file(perkie_here: Perkie) -> None:
    done = perkie_here("stylize", "http://127.0.0.1:1/pet.jpg", "-s", "ink_wash")
    assert (done.returncode, "http://127.0.0.1:1/pet.jpg is an address" in done.stderr) == (2, True), done.stderr
    assert "perkie … - >" in done.stderr
