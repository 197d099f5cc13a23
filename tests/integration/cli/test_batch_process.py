"""``perkie process``: all of a pet in its folder."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from perkie_cli.batch.mark import OutputKind, mark_of
from tests.conftest import CAT, Perkie, counts

SMALL = ("--size", "256", "--matting-engine", "builtin", "--out-dir", "pets")


def photos(folder: Path) -> Path:
    (folder / "in" / "sub").mkdir(parents=True)
    (folder / "in" / "rex.png").write_bytes(CAT.read_bytes())
    (folder / "in" / "sub" / "tom.png").write_bytes(CAT.read_bytes() + b"!")
    return folder / "in"


def made(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_each_pet_gets_a_folder_and_all_a_sheet(perkie_here: Perkie, tmp_path: Path) -> None:
    photos(tmp_path)
    first = perkie_here("process", "in", "-r", *SMALL, "-s", "bw_fine_art", "--json")
    assert counts(json.loads(first.stdout)["summary"]) == {"total": 4, "done": 4}
    expected = {
        f"{pet}/{name}" for pet in ("rex", "sub/tom") for name in ("cutout.png", "bw_fine_art.jpg", "sheet.jpg")
    }
    assert made(tmp_path / "pets") == expected | {"sheet.jpg"}
    with Image.open(tmp_path / "pets" / "rex" / "cutout.png") as cutout:
        assert cutout.mode == "RGBA"
    with Image.open(tmp_path / "pets" / "sheet.jpg") as sheet, Image.open(tmp_path / "pets/rex/sheet.jpg") as one:
        assert sheet.width == one.width == 24 + 3 * (384 + 24), "photo, cut-out and one style"
        assert sheet.height > one.height
    assert mark_of(tmp_path / "pets" / "rex" / "sheet.jpg") is OutputKind.PICTURE
    sheets = {path: path.stat().st_mtime_ns for path in (tmp_path / "pets").rglob("sheet.jpg")}
    again = perkie_here("process", "in", "-r", *SMALL, "-s", "bw_fine_art", "--json")
    assert counts(json.loads(again.stdout)["summary"]) == {"total": 4, "skipped": 4}
    assert sheets == {path: path.stat().st_mtime_ns for path in sheets}, "nothing changed"
    os.utime(tmp_path / "pets" / "rex" / "bw_fine_art.jpg", (2e9, 2e9))
    perkie_here("process", "in", "-r", *SMALL, "-s", "bw_fine_art")
    changed = {path.parent.name for path in sheets if path.stat().st_mtime_ns != sheets[path]}
    assert changed == {"rex", "pets"}


def test_a_sheet_that_is_not_ours_is_kept(perkie_here: Perkie, tmp_path: Path) -> None:
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    (tmp_path / "pets" / "cat" / "sheet.jpg").write_bytes(b"my own")
    done = perkie_here("process", CAT, *SMALL, "--strategy", "on_demand")
    assert (done.returncode, "warning: no contact sheets:" in done.stderr) == (0, True)
    assert (tmp_path / "pets" / "cat" / "sheet.jpg").read_bytes() == b"my own"
    assert made(tmp_path / "pets") == {"cat/cutout.png", "cat/sheet.jpg"}


def test_a_manifest_names_the_folder_of_a_pet(perkie_here: Perkie, tmp_path: Path) -> None:
    (photos(tmp_path) / "m.jsonl").write_text('{"path": "rex.png", "output": "shop/7", "styles": ["bw_fine_art"]}\n')
    perkie_here("process", "--manifest", "in/m.jsonl", *SMALL)
    assert made(tmp_path / "pets") == {f"shop/7/{name}" for name in ("cutout.png", "bw_fine_art.jpg", "sheet.jpg")}


def test_a_photo_on_stdin_is_read_once_for_all(
    perkie_here: Perkie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CAT.read_bytes())))
    assert perkie_here("process", "-", *SMALL, "-s", "bw_fine_art").returncode == 0
    assert made(tmp_path / "pets") == {f"stdin/{name}" for name in ("cutout.png", "bw_fine_art.jpg", "sheet.jpg")}


def test_what_cannot_be_meant_is_told(perkie_here: Perkie, cat: Path) -> None:
    assert "needs --out-dir" in perkie_here("process", str(cat)).stderr
    both = perkie_here("process", str(cat), *SMALL, "--strategy", "hybrid", "-s", "all")
    assert (both.returncode, "exclude each other" in both.stderr) == (2, True)


def test_an_estimate_counts_cut_outs_as_free(perkie_here: Perkie, cat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "any")
    done = perkie_here("process", str(cat), *SMALL, "--strategy", "pregenerate", "--estimate", "--json")
    rows = {row["style"]: (row["to_draw"], row["usd"] > 0) for row in json.loads(done.stdout)["results"]}
    assert rows.pop("cut-out") == (1, False)
    assert set(rows.values()) == {(1, True)}
    assert len(rows) == 3
