"""The command line as a process."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT, Perkie, counts


def envelope(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.stdout.count("\n") == 1, done.stdout
    body: dict[str, object] = json.loads(done.stdout)
    assert body["schema"] == "perkie/1"
    return body


def test_the_first_picture_then_skipped_then_cached(perkie: Perkie, cat: Path) -> None:
    first = perkie("stylize", "cat.png", "--style", "ink_wash")
    assert (first.returncode, first.stdout) == (0, "cat_ink_wash.jpg\n"), first.stderr
    with Image.open(cat.with_name("cat_ink_wash.jpg")) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1024, 716))
        assert not picture.getexif()
    again = perkie("stylize", "cat.png", "--style", "modern", "--json")
    elsewhere = perkie("--json", "stylize", "cat.png", "--style", "ink_wash", "-o", "wall.webp")
    assert envelope(again)["results"][0]["status"] == "skipped"  # type: ignore[index]
    assert envelope(elsewhere)["results"][0]["status"] == "cached"  # type: ignore[index]
    assert envelope(elsewhere)["results"][0]["cache_hit"] is True  # type: ignore[index]
    with Image.open(cat.with_name("wall.webp")) as picture:
        assert picture.format == "WEBP"


def test_the_background_is_kept_or_replaced_as_asked(perkie_here: Perkie, cat: Path) -> None:
    pictures = []
    for use in ("keep", "replace"):
        done = perkie_here("stylize", "cat.png", "--style", "ink_wash", "--background", use, "--size", "256", "--json")
        assert envelope(done)["results"][0]["status"] == "done", done.stderr  # type: ignore[index]
        pictures.append(cat.with_name("cat_ink_wash.jpg").read_bytes())
    assert pictures[0] != pictures[1]
    wrong = perkie_here("stylize", "cat.png", "--style", "ink_wash", "--background", "remove")
    assert (wrong.returncode, wrong.stdout) == (3, "")
    assert "a background is one of auto, keep, replace, not 'remove'" in wrong.stderr


def test_all_styles_of_a_folder_with_a_broken_file_among_them(perkie: Perkie, cat: Path) -> None:
    folder = cat.parent / "photos"
    folder.mkdir()
    cat.rename(folder / "cat.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    done = perkie("stylize", "photos", "--style", "popular", "--out-dir", "out", "--json", "--size", "300")
    body = envelope(done)
    assert done.returncode == 6
    assert counts(body["summary"]) == {"total": 4, "done": 2, "failed": 2}
    assert {p.name for p in (cat.parent / "out").iterdir()} == {
        "cat_ink_wash.jpg",
        "cat_van_gogh_post_impressionism.jpg",
    }
    failed = [r for r in body["results"] if r["status"] == "failed"]  # type: ignore[attr-defined]
    assert all("broken.jpg" in r["error"]["message"] for r in failed)


def test_inputs_with_one_stem_do_not_clobber_each_other(perkie_here: Perkie, cat: Path) -> None:
    with Image.open(cat) as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(cat.with_name("cat.webp"))
    done = perkie_here("stylize", "cat.png", "cat.webp", "--style", "bw_fine_art", "--size", "300", "--out-dir", "out")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == ["out/cat-png_bw_fine_art.jpg", "out/cat-webp_bw_fine_art.jpg"]


def test_a_file_that_is_not_ours_is_kept(perkie_here: Perkie, cat: Path) -> None:
    precious = cat.with_name("cat_ink_wash.jpg")
    precious.write_bytes(b"my own")
    refused = perkie_here("stylize", "cat.png", "--style", "ink_wash", "--size", "300")
    assert refused.returncode == 3
    assert "was not made by perkie" in refused.stderr
    assert precious.read_bytes() == b"my own"
    assert perkie_here("stylize", "cat.png", "--style", "ink_wash", "--size", "300", "--force").returncode == 0
    precious.write_bytes(b"edited since")
    assert perkie_here("stylize", "cat.png", "--style", "ink_wash", "--size", "300").returncode == 3


def test_ours_and_stale_is_made_again(perkie_here: Perkie, cat: Path) -> None:
    assert perkie_here("stylize", "cat.png", "--style", "ink_wash", "--size", "300").returncode == 0
    resized = perkie_here("stylize", "cat.png", "--style", "ink_wash", "--size", "320", "--json")
    assert envelope(resized)["results"][0]["status"] == "done"  # type: ignore[index]
    with Image.open(cat) as picture:
        flipped = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    flipped.save(cat)
    changed = perkie_here("stylize", "cat.png", "--style", "ink_wash", "--size", "320", "--json")
    assert envelope(changed)["results"][0]["status"] == "done"  # type: ignore[index]


def test_a_dry_run_makes_nothing(perkie_here: Perkie, cat: Path) -> None:
    done = perkie_here("stylize", "cat.png", "--style", "all", "--dry-run", "--json")
    assert [r["status"] for r in envelope(done)["results"]] == ["planned"] * 3  # type: ignore[attr-defined]
    assert [p.name for p in cat.parent.iterdir()] == ["cat.png"]


def png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (90, 80, 70)).save(out, "PNG", compress_level=1)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("note.jpg", b"just text, no picture at all", "note.jpg is not"),
        ("empty.jpg", b"", "empty.jpg is empty"),
        ("small.png", png(300, 200), "small.png is 300 × 200 px"),
        ("cut.png", png(300, 300)[:200], "cut.png"),
        ("bomb.png", png(8000, 7000)[:4000], "bomb.png"),
    ],
)
def test_bad_input_is_one_sentence_with_the_file_and_the_reason(
    perkie_here: Perkie, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    done = perkie_here("stylize", name, "--style", "ink_wash")
    assert done.returncode == 3
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_other_bad_input(perkie_here: Perkie, cat: Path) -> None:
    (cat.parent / "empty").mkdir()
    (cat.parent / "models.toml").write_text("[gemini]\nmodels_file = 'gone.toml'\n")
    cases = {
        ("stylize", "gone.png", "--style", "modern"): (3, "gone.png does not exist"),
        ("stylize", "empty", "--style", "modern", "--out-dir", "o"): (3, "empty has no pictures"),
        ("stylize", "*.heic", "--style", "modern"): (3, "no file matches"),
        ("stylize", ".", "--style", "modern"): (2, "--out-dir"),
        ("stylize", "cat.png", "--style", "impresionism"): (3, "unknown style"),
        ("stylize", "cat.png", "--style", "modern", "-o", "x.gif"): (3, "'gif' is not an output format"),
        ("stylize", "cat.png", "--style", "all", "-o", "x.jpg"): (2, "-o names one file"),
        ("stylize", "cat.png", "--style", "modern", "--customer", "../etc"): (3, "customer id"),
        ("stylize", "cat.png", "--style", "modern", "--customer", "1", "--session", "2"): (2, "exclude"),
        ("stylize", "cat.png", "--style", "modern", "--refresh", "--no-cache"): (2, "exclude"),
        ("stylize", "cat.png", "--style", "modern", "--size", "12"): (
            3,
            "style.size = 12 (--size): must be at least 256",
        ),
        ("stylize", "cat.png", "--style", "modern", "--engine", "magic"): (3, "style.engine"),
        ("stylize", "cat.png"): (2, "--style"),
        ("stylize", "cat.png", "--style"): (2, "`perkie stylize --help`"),
        ("stylize", "cat.png", "--style", "modern", "--model", "gemini-3-pro-image"): (2, "--model names"),
        ("stylize", "", "--style", "modern", "--out-dir", "o"): (2, "is not the path of a picture"),
        ("styles", "preview", "gone.png", "cat.png", "-o", "cat.png", "--force"): (3, "is the input itself"),
        ("cache", "stats", "--prefix", "\udcff"): (3, "no key can begin with"),
        ("config", "init", "-o", ".", "--force"): (3, "cannot be written"),
        ("stylise",): (2, "no such command"),
        ("--config", "gone.toml", "config", "show"): (3, "gone.toml does not exist"),
        ("--config", "models.toml", "models", "list"): (3, "model file gone.toml does not exist"),
    }
    for args, (code, reason) in cases.items():
        done = perkie_here(*args)
        assert (done.returncode, reason in done.stderr, done.stdout) == (code, True, ""), (args, done)
    assert sorted(p.name for p in cat.parent.iterdir()) == ["cat.png", "empty", "models.toml"]


def test_of_several_inputs_those_that_give_nothing_fail_by_themselves(perkie_here: Perkie, cat: Path) -> None:
    (cat.parent / "empty").mkdir()
    inputs = ("empty", "*.heic", "cat.png")
    body = envelope(perkie_here("stylize", *inputs, "--style", "bw_fine_art", "--size", "256", "--json"))
    assert [r["status"] for r in body["results"]] == ["failed", "failed", "done"]  # type: ignore[attr-defined]


def test_an_error_before_the_command_runs_is_an_envelope_too(perkie: Perkie) -> None:
    body = envelope(perkie("stylize", "--json"))
    assert body["ok"] is False
    assert body["error"]["code"] == "usage_error"  # type: ignore[index]


def test_a_user_defined_style_varies_parameters(perkie_here: Perkie, cat: Path, home: Path) -> None:
    own = home / "config" / "perkie" / "styles"
    own.mkdir(parents=True)
    shown = perkie_here("styles", "show", "ink_wash").stdout
    plain = shown.replace('id = "ink_wash"', 'id = "plain_ink"').replace("seal = true", "seal = false")
    plain = plain.replace('aliases = ["modern"]', "aliases = []")
    (own / "plain.toml").write_text(plain)
    done = perkie_here("stylize", "cat.png", "--style", "ink_wash,plain_ink", "--size", "300")
    assert done.returncode == 0, done.stderr
    with_seal, without = (cat.with_name(f"cat_{name}.jpg").read_bytes() for name in ("ink_wash", "plain_ink"))
    assert with_seal != without
    (own / "plain.toml").write_text(plain.replace("seal = false", "seall = false"))
    wrong = perkie_here("stylize", "cat.png", "--style", "plain_ink")
    assert wrong.returncode == 3
    assert "the recipe ink_wash has no parameter 'seall'" in wrong.stderr


def test_an_own_style_is_begun_as_the_readme_says(perkie_here: Perkie, cat: Path, home: Path) -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ") and "config/perkie/styles" in line]
    assert len(typed) == 2
    whole = "; ".join(typed).replace("perkie styles", f"{sys.executable} -m perkie_cli styles")
    whole = whole.replace("~/.config", str(home / "config"))
    subprocess.run(["bash", "-c", whole], cwd=ROOT, check=True)
    (file,) = (home / "config" / "perkie" / "styles").iterdir()
    file.write_text(file.read_text().replace('id = "ink_wash"', 'id = "my_ink"'))
    taken = perkie_here("styles", "check")
    assert (taken.returncode, "'modern' is already taken (ink_wash)" in taken.stdout) == (3, True), taken.stderr
    file.write_text(file.read_text().replace('aliases = ["modern"]', "aliases = []"))
    assert perkie_here("styles", "check").returncode == 0
    assert perkie_here("stylize", "cat.png", "--style", "my_ink", "--size", "256").returncode == 0


def test_a_broken_style_warns_and_stops_no_other(perkie_here: Perkie, cat: Path, home: Path) -> None:
    own = home / "config" / "perkie" / "styles"
    own.mkdir(parents=True)
    (own / "z.toml").write_text("id = ")
    (own / "warm.toml").write_text(
        'id = "warm"\ntitle = "Warm"\nprompt = "p"\n[local]\nrecipe = "bw_fine_art"\n[local.parameters]\nwarmht = 1\n'
    )
    drawn = perkie_here("stylize", "cat.png", "--style", "ink_wash", "--size", "256")
    assert drawn.returncode == 0, drawn.stderr
    assert "warning: a style is left out: style file" in drawn.stderr
    assert "Did you mean 'warmth'?" in drawn.stderr
    listed = perkie_here("styles", "list", "--json")
    broken = [row for row in json.loads(listed.stdout)["results"] if row.get("ok") is False]
    assert (listed.returncode, [row["id"] for row in broken]) == (0, ["warm", "z"])
    asked = perkie_here("stylize", "cat.png", "--style", "warm", "--size", "256")
    assert (asked.returncode, "warm.toml:7: the recipe" in asked.stderr) == (3, True), asked.stderr
    checked = perkie_here("styles", "check", "--json")
    faults = [fault for row in json.loads(checked.stdout)["results"] for fault in row["faults"]]
    assert (checked.returncode, [fault["line"] for fault in faults]) == (3, [7, 1])


def test_preview_writes_a_contact_sheet(perkie_here: Perkie, cat: Path) -> None:
    done = perkie_here("styles", "preview", "cat.png", "-o", "sheet.png", "--size", "120")
    assert (done.returncode, done.stdout) == (0, "sheet.png\n"), done.stderr
    with Image.open(cat.with_name("sheet.png")) as sheet:
        assert (sheet.format, sheet.width > 4 * 120) == ("PNG", True)
    (cat.parent / "photos").mkdir()
    cat.rename(cat.parent / "photos" / "cat.png")
    (cat.parent / "photos" / "long.png").write_bytes(png(2200, 260))  # drawn, it is 121 px high
    (cat.parent / "note.png").write_bytes(b"no picture")
    partly = perkie_here("styles", "preview", "photos", "note.png", "-o", "sheet.webp", "--size", "120", "--json")
    assert (partly.returncode, [r.get("input") for r in json.loads(partly.stdout)["results"]]) == (
        6,
        [None, "note.png"],
    )
    with Image.open(cat.with_name("sheet.webp")) as sheet:
        assert sheet.format == "WEBP"
    for args, reason in ((("photos", "-o", "a.gif"), "'gif' is not"), (("note.png",), "note.png is not an image")):
        refused = perkie_here("styles", "preview", *args)
        assert (refused.returncode, reason in refused.stderr) == (3, True), refused.stderr


def test_preview_in_pages_and_chosen_styles(perkie_here: Perkie, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(21):
        (tmp_path / "photos" / f"{number:02}.png").write_bytes(png(256, 256 + number % 2))
    done = perkie_here("styles", "preview", "photos", "-s", "bw_fine_art", "-o", "sheets/", "--size", "96", "--json")
    rows = json.loads(done.stdout)["results"]
    assert [Path(row["output"]).name for row in rows] == ["contact_sheet.png", "contact_sheet-2.png"]
    assert rows[0]["width"] == rows[1]["width"] == 24 + 2 * (96 + 24), "the photo and one style"
    assert rows[0]["height"] > 19 * rows[1]["height"] // 2


def test_two_processes_making_the_same_picture_leave_one_entry(cat: Path, home: Path) -> None:
    perkie = [sys.executable, "-m", "perkie_cli", "stylize", "cat.png", "-s", "bw_fine_art", "--size", "300", "-o"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen([*perkie, f"{n}.jpg"], cwd=cat.parent, env=env, stdout=subprocess.DEVNULL) for n in range(4)
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    kept = list((home / "cache").rglob("*.jpg"))
    assert len(kept) == 2, "the owner's copy and the shared one"
    assert len({path.read_bytes() for path in kept}) == 1
    assert len({cat.with_name(f"{n}.jpg").read_bytes() for n in range(4)}) == 1


def test_ctrl_c_keeps_what_is_done(cat: Path) -> None:
    for n in range(40):
        cat.with_name(f"pet{n:02}.png").write_bytes(cat.read_bytes() + bytes([n]))
    command = [
        sys.executable,
        "-m",
        "perkie_cli",
        "stylize",
        "pet*.png",
        "-s",
        "van_gogh",
        "--size",
        "400",
        "--out-dir",
        "out",
        "--json",
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=cat.parent, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    out = cat.parent / "out"
    until = time.monotonic() + 60
    while not (out.is_dir() and any(out.glob("*.jpg"))) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    body = json.loads(stdout)
    assert process.returncode == 130, stderr
    assert body["error"]["code"] == "interrupted"
    assert 1 <= len(body["results"]) < 40
    assert {Path(r["output"]).name for r in body["results"]} == {p.name for p in out.iterdir()}
    for path in out.iterdir():
        with Image.open(path) as picture:
            picture.load()
