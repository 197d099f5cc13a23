"""Runs over many photos: what is made, left, tried again and told. In this process; ``test_batch_kills`` has others."""

from __future__ import annotations

import asyncio
import io
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.photos.settle import Given, Settling
from tests.conftest import CAT, Perkie, counts

STYLE = ("-s", "bw_fine_art", "--size", "256")
OUT = (*STYLE, "--out-dir", "out")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos that can be drawn, one that is damaged and one that is too small."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("ann", "bob", "cat")):
        (folder / f"{name}.png").write_bytes(CAT.read_bytes() + bytes([number]))
    (folder / "cut.png").write_bytes(CAT.read_bytes()[:9000])
    Image.new("RGB", (100, 80)).save(folder / "small.png")
    return folder


def body(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def statuses(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {Path(row["input"]).stem: row["status"] for row in body(done)["results"]}


def test_a_second_run_goes_on_and_only_failures_are_tried_again(perkie_here: Perkie, photos: Path) -> None:
    first = perkie_here("stylize", "photos", *OUT, "--json")
    assert (first.returncode, counts(body(first)["summary"])) == (6, {"total": 5, "done": 3, "failed": 2})
    again = perkie_here("stylize", "photos", *OUT, "--json")
    assert counts(body(again)["summary"]) == {"total": 5, "skipped": 3, "failed": 2}
    small = perkie_here("stylize", "photos", *OUT, "--json", "--retry-failed", "--only", "too_small")
    assert statuses(small) == {"small": "failed"}
    (photos / "cut.png").write_bytes(CAT.read_bytes())
    mended = perkie_here("stylize", "photos", *OUT, "--json", "--retry-failed")
    assert statuses(mended) == {"cut": "done", "small": "failed"}
    shown = body(perkie_here("report", "show", "--json"))["results"]
    assert {Path(row["input"]).stem: row["attempts"] for row in shown} == {"cut": 3, "small": 4}
    (photos / "small.png").unlink()
    nothing = perkie_here("stylize", "photos", *OUT, "--json", "--retry-failed")
    assert (nothing.returncode, counts(body(nothing)["summary"])) == (0, {"total": 0})
    assert "nothing to try again" in perkie_here("stylize", "photos", *OUT, "--retry-failed").stderr
    typo = perkie_here("stylize", "photos", *OUT, "--retry-failed", "--only", "to_small")
    assert (typo.returncode, "Did you mean 'too_small'?" in typo.stderr) == (3, True)


def test_a_run_ends_with_a_summary_and_names_each_failed_photo_once(perkie_here: Perkie, photos: Path) -> None:
    done = perkie_here("stylize", "photos", "-s", "bw_fine_art,ink_wash", "--size", "256", "--out-dir", "out")
    assert "6 made, 4 failed, $0.00, " in done.stderr
    assert "failed: 2 photos\n" in done.stderr
    assert done.stderr.count("cut.png is damaged") == 1, "each error once, not once a style"
    assert "  photos/small.png: too_small\n" in done.stderr
    quiet = perkie_here("-q", "stylize", str(photos), "-s", "all", "--size", "256", "--out-dir", "out")
    assert {line.rpartition("_van_gogh")[0] for line in quiet.stdout.split()} == {"out/ann", "out/bob", "out/cat"}


def test_too_many_failures_end_a_run(perkie_here: Perkie, photos: Path) -> None:
    for number in range(3):
        (photos / f"a{number}.png").write_bytes(b"no picture")
    done = perkie_here("stylize", "photos", *OUT, "--json", "--max-failures", "2")
    assert (done.returncode, counts(body(done)["summary"])) == (6, {"total": 8, "failed": 2, "not_tried": 6})
    assert body(done)["warnings"] == ["6 more were not tried: 2 have failed (--max-failures)"]
    shown = body(perkie_here("report", "list", "--json"))["results"][0]
    assert (shown["state"], shown["counts"]) == ("stopped", {"failed": 2, "waiting": 6})


def test_files_that_are_there_are_left_alone_whoever_made_them(
    perkie_here: Perkie, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    perkie_here("stylize", str(photos / "ann.png"), *OUT)
    made = tmp_path / "out" / "ann_bw_fine_art.jpg"
    before = made.read_bytes()
    for kind in ("STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "new" / kind))
    refused = perkie_here("stylize", str(photos / "ann.png"), *OUT)
    assert (refused.returncode, "--skip-existing keeps it" in refused.stderr) == (3, True)
    kept = perkie_here("stylize", "photos/ann.png", "photos/bob.png", *OUT, "--skip-existing", "--json")
    assert statuses(kept) == {"ann": "skipped", "bob": "done"}
    assert made.read_bytes() == before
    both = perkie_here("stylize", str(photos), *OUT, "--skip-existing", "--force")
    assert (both.returncode, "--skip-existing excludes" in both.stderr) == (2, True)


def test_an_empty_inbox_is_no_error_if_that_is_said(perkie_here: Perkie, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    for given in (["inbox"], ["none*.jpg"], ["inbox", "none*.jpg"]):
        assert perkie_here("stylize", *given, *OUT).returncode == 3
        done = perkie_here("stylize", *given, *OUT, "--allow-empty", "--json")
        assert (done.returncode, counts(body(done)["summary"])) == (0, {"total": 0})
    assert perkie_here("stylize", "gone.jpg", *OUT, "--allow-empty").returncode == 3


def test_a_list_on_stdin(perkie_here: Perkie, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def piped(data: bytes, *options: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return perkie_here("stylize", "--files-from", "-", *options, *OUT, "--json")

    assert statuses(piped(b"photos/ann.png\r\n\nphotos/bob.png")) == {"ann": "done", "bob": "done"}
    (photos / "two\nlines.png").write_bytes(CAT.read_bytes())
    nul = piped(b"photos/two\nlines.png\0photos/gone.png\0", "-0")
    assert list(statuses(nul).values()) == ["done", "failed"]
    assert piped(b"").returncode == 3
    os.mkfifo("pipe")  # as the shell's <(find …)
    for option, data in (("--files-from", b"photos/cat.png\n"), ("--manifest", b"path\nphotos/cat.png\n")):
        writer = threading.Thread(target=Path("pipe").write_bytes, args=(data,))
        writer.start()
        assert list(statuses(perkie_here("stylize", option, "pipe", *OUT, "--json"))) == ["cat"]
        writer.join()
    assert perkie_here("stylize", "-", "--files-from", "-", *OUT).returncode == 2
    assert perkie_here("stylize", "photos", "-0", *OUT).returncode == 2
    assert perkie_here("stylize", "photos", *OUT, "--item-timeout", "0s").returncode == 3
    assert perkie_here("stylize", *OUT).returncode == 2


def test_a_manifest_names_owners_styles_and_outputs(perkie_here: Perkie, photos: Path, home: Path) -> None:
    (photos / "m.csv").write_text(
        "\ufeffpath;owner;styles;output\r\n"
        "ann.png;customer:42;modern;\r\n"
        'bob.png;;"bw_fine_art,modern";\r\n'
        "cat.png;session:s1;;shop/the cat.jpg\r\n",
        "utf-8",
    )
    done = perkie_here("stylize", "--manifest", "photos/m.csv", *OUT, "--json")
    made = {(Path(row["input"]).stem, row["style"]): row["output"] for row in body(done)["results"]}
    assert made == {
        ("ann", "ink_wash"): "out/ann_ink_wash.jpg",
        ("bob", "bw_fine_art"): "out/bob_bw_fine_art.jpg",
        ("bob", "ink_wash"): "out/bob_ink_wash.jpg",
        ("cat", "bw_fine_art"): "out/shop/the cat.jpg",
    }
    kept = {path.parent.name for path in (home / "cache").rglob("*.jpg") if "generated" in path.parts}
    assert kept == {"42", "s1", "anonymous"}
    again = perkie_here("stylize", "--manifest", "photos/m.csv", *OUT, "--json")
    assert set(statuses(again).values()) == {"skipped"}


def test_a_wrong_row_ends_the_run_before_anything_is_drawn(perkie_here: Perkie, photos: Path, tmp_path: Path) -> None:
    (photos / "m.csv").write_text("path,styles\nann.png,modern\nbob.png,oil\n")
    done = perkie_here("stylize", "--manifest", "photos/m.csv", *OUT)
    assert (done.returncode, "photos/m.csv:3: unknown style" in done.stderr) == (3, True)
    (photos / "m.csv").write_text("path,output\nann.png,x.jpg\nbob.png,X.jpg\n")
    twice = perkie_here("stylize", "--manifest", "photos/m.csv", *OUT)
    assert (twice.returncode, "photos/m.csv:3: output X.jpg is that of line 2" in twice.stderr) == (3, True)
    assert not (tmp_path / "out").exists()


def test_the_order_in_which_photos_are_taken(perkie_here: Perkie, photos: Path) -> None:
    names = [photos / f"{name}.png" for name in ("bob", "ann", "cat")]
    for age, path in enumerate(names):
        os.utime(path, (age, age))
    for order, expected in {"given": "bac", "name": "abc", "newest": "cab", "oldest": "bac"}.items():
        done = perkie_here("stylize", *names, *OUT, "--order", order, "--dry-run", "--json")
        assert "".join(name[0] for name in statuses(done)) == expected, order


def test_an_estimate_subtracts_what_is_there_and_what_is_cached(perkie_here: Perkie, photos: Path) -> None:
    perkie_here("stylize", "photos/ann.png", *OUT)
    perkie_here("stylize", "photos/bob.png", *STYLE, "--out-dir", "elsewhere")
    done = perkie_here("stylize", "photos", *OUT, "--estimate", "--json")
    (row,) = body(done)["results"]
    assert {name: row[name] for name in ("pictures", "there", "cached", "refused", "to_draw")} == {
        "pictures": 5, "there": 1, "cached": 1, "refused": 2, "to_draw": 1,
    }  # fmt: skip
    planned = perkie_here("stylize", "photos", *OUT, "--dry-run", "--json")
    assert statuses(planned) == {
        "ann": "skipped", "bob": "planned", "cat": "planned", "cut": "failed", "small": "failed",
    }  # fmt: skip


def test_events_for_machines_are_all_that_stderr_carries(perkie_here: Perkie, photos: Path) -> None:
    done = perkie_here("stylize", str(photos), *OUT, "--progress", "jsonl")
    told = [json.loads(line) for line in done.stderr.splitlines()]
    events = [event for event in told if event["event"] != "progress"]  # one a second
    assert [event["event"] for event in events] == ["begin", *["item"] * 5, "end", "error"]
    assert [event["status"] for event in events[1:6]] == ["done", "done", "done", "failed", "failed"]
    assert events[4]["error"]["code"] == "corrupt_image"
    assert (events[6]["ended"], events[6]["failed"], events[6]["cost_usd"]) == (5, 2, 0)
    assert len(done.stdout.split()) == 3


def test_a_journal_that_cannot_be_written_costs_no_picture(perkie_here: Perkie, photos: Path, home: Path) -> None:
    (home / "state" / "perkie" / "runs.sqlite").mkdir(parents=True)
    done = perkie_here("stylize", str(photos / "ann.png"), *OUT)
    assert done.returncode == 0
    assert done.stderr.count("goes on without a journal") == 1


def test_a_report_in_all_its_forms(perkie_here: Perkie, photos: Path, tmp_path: Path) -> None:
    (photos / '=cmd<b>&".png').write_bytes(CAT.read_bytes() + b"!")
    perkie_here("stylize", "photos", *OUT)
    assert perkie_here("report", "show").stdout.count("  bw_fine_art  ") == 6
    failed = body(perkie_here("report", "show", "--status", "failed", "--json"))
    assert {row["code"] for row in failed["results"]} == {"corrupt_image", "too_small"}
    lines = perkie_here("report", "show", "--csv", "-").stdout.splitlines()
    assert lines[0].startswith("place,status,input")
    assert len(lines) == 7
    assert perkie_here("report", "show", "--html", "report").stdout == "report/index.html\n"
    pages = tmp_path / "report"
    page = (pages / "index.html").read_text()
    assert (page.count("<article>"), page.count("<img"), "<b>" in page, "http" in page) == (6, 8 + 1, False, False)
    for path in [pages, *pages.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    for image in (pages / "thumbs").iterdir():
        with Image.open(image) as picture:
            assert max(picture.size) <= 256


def test_a_report_that_does_not_exist(perkie_here: Perkie) -> None:
    assert (perkie_here("report", "show").returncode, perkie_here("report", "show", "1999").returncode) == (3, 3)
    assert perkie_here("report", "list").returncode == 0
    assert perkie_here("report", "show", "--status", "fine").returncode == 2


def test_all_shards_together_make_what_one_run_makes(
    perkie_here: Perkie, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cut.png", "small.png"):
        (photos / name).unlink()
    for folder in ("x", "y"):
        (photos / folder).mkdir()
        (photos / folder / "twin.png").write_bytes(CAT.read_bytes() + folder.encode())
    given = ("stylize", "photos/x/twin.png", "photos/y/twin.png", "photos", *STYLE, "--json")
    whole = {row["input"]: row["output"] for row in body(perkie_here(*given, "--out-dir", "whole"))["results"]}
    assert len(set(whole.values())) == 5
    parts = []
    for index in range(3):
        monkeypatch.setenv("CLOUD_RUN_TASK_INDEX", str(index))
        monkeypatch.setenv("CLOUD_RUN_TASK_COUNT", "3")
        monkeypatch.setenv("XDG_STATE_HOME", str(photos.parent / f"disk{index}"))
        done = perkie_here(*given, "--out-dir", "parts")
        parts.append({row["input"]: row["output"] for row in body(done)["results"]})
    together = {name: output for part in parts for name, output in part.items()}
    assert sum(map(len, parts)) == len(together) == 5
    assert together == {name: output.replace("whole/", "parts/") for name, output in whole.items()}
    told = perkie_here(*given[:-1], "--shard", "1/3", "--dry-run", "--out-dir", "parts").stderr
    assert f"shard 1/3: {len(parts[1])} of 5\n" in told
    assert perkie_here(*given, "--shard", "3/3", "--out-dir", "parts").returncode == 3


def test_outputs_whose_record_was_lost_are_known_again_by_the_cache(
    perkie_here: Perkie, photos: Path, home: Path
) -> None:
    for name in ("cut", "small"):
        (photos / f"{name}.png").unlink()
    perkie_here("stylize", "photos", *OUT)
    (home / "state" / "perkie" / "outputs.sqlite").unlink()
    with Path("out/ann_bw_fine_art.jpg").open("ab") as other:
        other.write(b"edited")
    done = perkie_here("stylize", "photos", *OUT, "--json")
    assert statuses(done) == {"ann": "failed", "bob": "cached", "cat": "cached"}
    (error,) = [row["error"] for row in body(done)["results"] if row["status"] == "failed"]
    assert "exists, and no record says that perkie made it from ann.png" in error["message"]
    assert statuses(perkie_here("stylize", "photos", *OUT, "--json"))["bob"] == "skipped", "it is recorded again"
    (home / "state" / "perkie" / "outputs.sqlite").unlink()
    unsure = perkie_here("stylize", "photos", *OUT, "--no-cache", "--json")
    assert set(statuses(unsure).values()) == {"failed"}, "nothing is drawn for a file that may have to stay"


async def test_an_interrupted_run_does_not_wait_until_a_large_folder_is_looked_through(photos: Path) -> None:
    looking, over = threading.Event(), threading.Event()

    def recorded() -> Iterator[Path]:
        looking.set()
        over.wait(20)
        yield from ()

    settling = Settling(lambda: pytest.fail("no bucket was named"), OutputKind.PICTURE, lambda words: [words])
    given = Given([str(photos), str(photos / "*.png")])
    waiting = asyncio.create_task(settling.inputs(given, recorded()))
    try:
        await asyncio.to_thread(looking.wait, 20)
        assert not over.is_set()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    finally:
        over.set()
    assert len((await settling.inputs(given, ())).files) == 5
