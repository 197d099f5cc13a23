"""``perkie remove-bg`` and ``perkie models`` as processes. Only the builtin engine: no weights can be had in a test."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import ROOT, Perkie, counts
from tests.pets import cut_out_pet, pet
from tests.scripted_server import scripted, serves

BUILTIN = ("--engine", "builtin")


def envelope(done: subprocess.CompletedProcess[str]) -> Any:
    body = json.loads(done.stdout)
    assert body["schema"] == "perkie/1"
    return body


def test_cut_out_then_skipped_then_cached(perkie: Perkie, cat: Path) -> None:
    first = perkie("remove-bg", "cat.png", *BUILTIN)
    assert (first.returncode, first.stdout) == (0, "cat_cutout.png\n"), first.stderr
    assert "u2netp, confidence 0." in first.stderr
    assert "finer fur" not in first.stderr  # it was asked for by name
    with Image.open(cat.with_name("cat_cutout.png")) as picture, Image.open(cat) as original:
        assert (picture.mode, picture.size) == ("RGBA", original.size)
    again = perkie("remove-bg", "cat.png", *BUILTIN, "--json")
    other = perkie("remove-bg", "cat.png", *BUILTIN, "--json", "--trim", "--background", "#fff", "-o", "white.jpg")
    assert envelope(again)["results"][0]["status"] == "skipped"
    result = envelope(other)["results"][0]
    assert (result["status"], result["engine"], result["device"]) == ("cached", "builtin", "cpu")
    assert 0 < result["confidence"] < 1
    with Image.open(cat.with_name("white.jpg")) as picture:
        assert picture.mode == "RGB"


def _without_inspyrenet(folder: Path) -> Path:
    """A folder for PYTHONPATH that hides the extra ``matting``, installed or not."""
    hidden = folder / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'transparent_background' else found(name, *more)\n"
    )
    return hidden


def test_the_hint_for_finer_fur_comes_once_and_after_a_success(perkie: Perkie, cat: Path) -> None:
    (cat.parent / "broken.png").write_bytes(cat.read_bytes()[:500])
    plain = {"PYTHONPATH": f"{_without_inspyrenet(cat.parent)}{os.pathsep}{ROOT}"}
    failed = perkie("remove-bg", "broken.png", env=plain)
    assert failed.returncode == 3
    assert "finer fur" not in failed.stderr
    shutil.copy(cat, cat.parent / "other.png")
    done = perkie("remove-bg", "cat.png", "other.png", env=plain)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("finer fur") == 1


def test_a_bad_file_in_a_folder_does_not_stop_the_rest(perkie: Perkie, cat: Path) -> None:
    folder = cat.parent / "photos"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(cat, folder / "a.png")
    with Image.open(cat) as picture:
        picture.convert("RGB").save(folder / "a.jpg")
        picture.save(folder / "deep" / "b.webp")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    done = perkie("remove-bg", "photos", "-r", *BUILTIN, "--out-dir", "cut", "--jobs", "2", "--json")
    assert done.returncode == 6, done.stderr
    assert counts(envelope(done)["summary"]) == {"total": 4, "done": 3, "failed": 1}
    made = {str(path.relative_to(cat.parent / "cut")) for path in (cat.parent / "cut").rglob("*.png")}
    assert made == {"a-png_cutout.png", "a-jpg_cutout.png", "deep/b_cutout.png"}


def test_mask_and_dry_run(perkie_here: Perkie, cat: Path) -> None:
    assert perkie_here("remove-bg", "cat.png", *BUILTIN, "--dry-run").returncode == 0
    assert [path.name for path in cat.parent.iterdir()] == ["cat.png"]
    done = perkie_here("remove-bg", "cat.png", *BUILTIN, "--as", "mask", "--format", "webp")
    assert done.stdout == "cat_mask.webp\n", done.stderr


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("--mode", "best"), 3, "matting.mode"),
        (("--engine", "grabcut"), 2, "no matting engine 'grabcut'"),
        (("--engine", "remote"), 2, "remote needs matting.remote_url"),
        (("--format", "jpg"), 2, "jpg has no transparency"),
        (("--background", "beach.png"), 3, "beach.png does not exist"),
        (("--background", "red"), 3, "background 'red' is not known"),
        (("--background", "x" * 300), 3, "is not known"),
        (("--background", "cat.png", "--format", "PNG"), 3, "cat.png has"),
        (("--aspect", "4"), 3, "aspect '4'"),
        (("--margin", "200"), 3, "margin 200"),
        (("--as", "alpha"), 3, "not a kind of result"),
        (("--output", "mask"), 2, "Use --as mask"),
        (("--as", "mask", "--background", "#fff"), 2, "a mask has no background"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_flags_get_a_sentence_before_anything_is_downloaded(
    perkie_here: Perkie, cat: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.setenv("PERKIE_IMAGE_MAX_BYTES", "100kB")  # the cat has more
    done = perkie_here("remove-bg", "cat.png", *flags)
    assert done.returncode == code
    assert said in done.stderr
    assert "downloaded" not in done.stderr
    assert "Traceback" not in done.stderr


def test_no_weights_offline_names_the_ways_out(perkie_here: Perkie, cat: Path) -> None:
    done = perkie_here(
        "remove-bg", "cat.png", "--engine", "inspyrenet", "--fallback", "none", env={"PERKIE_OFFLINE": "1"}
    )
    assert (done.returncode, done.stdout) == (9, "")
    for word in ("inspyrenet-base", "PERKIE_OFFLINE", "perkie models pull", "--engine builtin"):
        assert word in done.stderr
    assert not cat.with_name("cat_cutout.png").exists()


def test_auto_pulls_once_and_says_why_another_engine_stood_in(perkie_here: Perkie, cat: Path) -> None:
    with scripted(serves(random.Random(1).randbytes(10_000))) as server:
        env = {"PERKIE_MATTING_WEIGHTS_URL": server.url}
        refused = perkie_here("remove-bg", "cat.png", "--fallback", "none", env=env)
        done = perkie_here("remove-bg", "cat.png", env=env)
    assert refused.returncode == 9
    assert "--engine builtin" in refused.stderr
    assert (done.returncode, done.stdout) == (0, "cat_cutout.png\n")
    assert "checksum is wrong" in done.stderr
    assert "builtin instead, degraded: missing_weights" in done.stderr


@pytest.mark.parametrize("command", [("remove-bg",), ("stylize", "--style", "ink_wash", "--remove-bg")])
def test_nothing_is_downloaded_for_photos_that_cannot_be_used(
    perkie_here: Perkie, cat: Path, command: tuple[str, ...]
) -> None:
    cat.with_name("text.jpg").write_text("hello")
    engine = "--matting-engine" if "--remove-bg" in command else "--engine"
    with scripted(serves(random.Random(1).randbytes(10_000))) as server:
        words = (*command, engine, "inspyrenet", "--json")
        env = {"PERKIE_MATTING_WEIGHTS_URL": server.url, "PERKIE_MATTING_MIRROR_URL": server.url}
        missing = perkie_here(*words, "missing.jpg", env=env)
        both = perkie_here(*words, "missing.jpg", "text.jpg", "--fallback", "none", env=env)
        assert server.requests == []
        perkie_here(*words, "text.jpg", "cat.png", "--fallback", "none", env=env)
        assert len(server.requests) == 1
    assert (missing.returncode, envelope(missing)["error"]["code"]) == (3, "unreadable_file")
    assert [each["error"]["code"] for each in envelope(both)["results"]] == ["unreadable_file", "not_an_image"]
    assert "downloaded" not in missing.stderr + both.stderr


def test_outputs_that_are_there_need_no_network(perkie_here: Perkie, cat: Path) -> None:
    perkie_here("remove-bg", "cat.png", *BUILTIN, "-o", "out.png")
    env = {"PERKIE_OFFLINE": "1"}
    words = ("remove-bg", "cat.png", "--engine", "inspyrenet", "--fallback", "none", "-o", "out.png")
    kept = perkie_here(*words, "--skip-existing", env=env)
    assert (kept.returncode, kept.stderr) == (0, "cat.png → out.png (already made)\n")
    assert perkie_here(*words, "--force", env=env).returncode == 9


def test_models_list_pull_and_verify(perkie_here: Perkie, home: Path) -> None:
    listed = perkie_here("models", "list", "--json")
    assert [each["state"] for each in envelope(listed)["results"][:2]] == ["absent", "absent"]
    assert perkie_here("models", "verify").returncode == 9
    data = random.Random(1).randbytes(10_000)
    with scripted(serves(data)) as server:
        pulled = perkie_here("models", "pull", "--mode", "fast", env={"PERKIE_MATTING_MIRROR_URL": server.url})
    assert pulled.returncode == 9  # it is not the published file, whose checksum is known
    folder = home / "data" / "perkie" / "models"
    assert list(folder.iterdir()) == []
    (folder / "ckpt_fast.pth").write_bytes(data)
    verified = perkie_here("models", "verify", "--json")
    assert verified.returncode == 8
    assert envelope(verified)["results"][1]["state"] == "wrong"
    assert hashlib.md5(data).hexdigest() != envelope(verified)["results"][1]["md5"]


@pytest.mark.parametrize("separate", [True, False])
def test_evaluate_names_every_photo_without_a_matte(perkie_here: Perkie, tmp_path: Path, separate: bool) -> None:
    photos = tmp_path / "pets" / "photos" if separate else tmp_path / "pets"
    photos.mkdir(parents=True)
    if separate:
        (tmp_path / "pets" / "mattes").mkdir()
    for name in ("a", "b", "c"):
        Image.fromarray(pet(300, 300)).save(photos / f"{name}.png")
    error = envelope(perkie_here("models", "evaluate", "pets", *BUILTIN, "--json"))["error"]
    assert error["message"].endswith("a.png has no true matte; nor has b.png, c.png")
    assert error["hint"] == f"Put the matte {'into pets/mattes as a.png' if separate else 'next to it as a_matte.png'}."


def test_evaluate_scores_each_photo_and_survives_a_bad_one(perkie_here: Perkie, tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    (folder / "photos").mkdir(parents=True)
    (folder / "mattes").mkdir()
    for name, size in (("a", 500), ("b", 400)):
        Image.fromarray(pet(size, size)).save(folder / "photos" / f"{name}.jpg", quality=95)
        Image.fromarray(cut_out_pet(size, size)[1]).save(folder / "mattes" / f"{name}.png")
    Image.fromarray(pet(300, 300)).save(folder / "photos" / "c.png")
    Image.fromarray(cut_out_pet(310, 300)[1]).save(folder / "mattes" / "c.png")
    (folder / "photos" / "d.png").symlink_to("/proc/self/mem")  # a file, but nobody can read its beginning
    (folder / "mattes" / "d.png").symlink_to("c.png")
    for name, truth in (("e", pet(300, 300)), ("f", cut_out_pet(300, 300)[1] // 128)):
        Image.fromarray(pet(300, 300)).save(folder / "photos" / f"{name}.png")
        Image.fromarray(truth).save(folder / "mattes" / f"{name}.png")
    done = perkie_here("models", "evaluate", "pets", *BUILTIN, "--json")
    body = envelope(done)
    assert done.returncode == 6, done.stderr
    assert [Path(each["input"]).stem for each in body["results"]] == ["a", "b", "c", "d", "e", "f"]
    assert "300" in body["results"][2]["error"]["message"]
    assert "d.png cannot be read" in body["results"][3]["error"]["message"]
    assert "e.png is coloured" in body["results"][4]["error"]["message"]
    assert "f.png has no value over 1 of 255" in body["results"][5]["error"]["message"]
    assert body["summary"]["failed"] == 4
    assert body["summary"]["mae"] < 0.1
    assert body["summary"]["s_measure"] > 0.8
    table = perkie_here("models", "evaluate", "pets", *BUILTIN).stdout
    assert table.splitlines()[-1].split()[:2] == ["u2netp", "mean"]
    both = envelope(perkie_here("models", "evaluate", "pets", *BUILTIN, "--engine", "u2net", "--json"))
    assert both["summary"]["failed"] == 4 + 6  # the file of the other network is absent, and nothing stands in
    assert perkie_here("models", "evaluate", "nowhere", *BUILTIN).returncode == 3
    assert perkie_here("models", "evaluate", "pets", "--engine", "remote").returncode == 2
