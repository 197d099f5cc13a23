"""``--out-dir gs://…``: outputs as objects, through the real client against the storage emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from google.cloud import storage
from PIL import Image

from perkie_cli.batch.mark import OutputKind, marked
from perkie_cli.batch.outputs.address import ObjectPath
from perkie_cli.batch.outputs.objects import Objects
from perkie_cli.batch.outputs.record import Origin, OutputState
from perkie_cli.batch.photos.sources import FileSource
from perkie_cli.bootstrap import build_services
from perkie_cli.config.load import load
from perkie_cli.domain.errors import OutputExists
from tests.buckets import buckets, storage_thread
from tests.conftest import CAT, Perkie, counts

SMALL = ("-s", "bw_fine_art", "--size", "256", "--json")
OUT = ("--out-dir", "gs://made/shop/")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with storage_thread() as server:
        yield server.url


@pytest.fixture
def made(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[storage.Bucket]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    (tmp_path / "photos").mkdir()
    for number, name in enumerate(("ann.png", "b ö.png")):
        (tmp_path / "photos" / name).write_bytes(CAT.read_bytes() + bytes([number]))
    with buckets(url, "made", "uploads") as (bucket, uploads):
        uploads.blob("in/cat.png").upload_from_string(CAT.read_bytes() + b"cat", "image/png")
        yield bucket
        for each in (bucket, uploads):
            each.delete(force=True)


def names(bucket: storage.Bucket) -> list[str]:
    return [each.name for each in bucket.list_blobs() if "/.perkie/" not in each.name]


def body(done: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def statuses(done: Any) -> dict[str, str]:
    return {row["output"]: row["status"] for row in body(done)["results"]}


def forget(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Another machine: its record, journal and cache are empty."""
    for kind in ("STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(folder / kind.lower()))


def test_outputs_go_to_the_bucket_and_are_not_made_again_by_any_machine(
    perkie_here: Perkie, made: storage.Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = perkie_here("stylize", "photos", *SMALL, *OUT)
    wanted = {f"gs://made/shop/{stem}_bw_fine_art.jpg": "done" for stem in ("ann", "b ö")}
    assert statuses(first) == wanted, first.stderr
    assert names(made) == ["shop/ann_bw_fine_art.jpg", "shop/b ö_bw_fine_art.jpg"]
    blob = made.get_blob("shop/ann_bw_fine_art.jpg")
    assert blob.content_type == "image/jpeg"
    with Image.open(BytesIO(blob.download_as_bytes())) as picture:
        assert max(picture.size) == 256
    forget(monkeypatch, tmp_path / "second")
    assert set(statuses(perkie_here("stylize", "photos", *SMALL, *OUT)).values()) == {"skipped"}
    monkeypatch.chdir("/")
    moved = tmp_path / "elsewhere"
    (tmp_path / "photos").rename(moved)
    again = perkie_here("stylize", str(moved), *SMALL, *OUT)
    assert set(statuses(again).values()) == {"skipped"}, "the same content is done, wherever it lies"
    forget(monkeypatch, tmp_path / "third")
    (moved / "ann.png").write_bytes(CAT.read_bytes() + b"new")
    other = body(perkie_here("stylize", str(moved), *SMALL, *OUT))
    assert counts(other["summary"]) == {"total": 2, "skipped": 1, "failed": 1}, "made from another photo of that name"
    assert other["results"][0]["error"]["code"] == "output_exists"
    forced = perkie_here("stylize", str(moved), *SMALL, *OUT, "--force")
    assert set(statuses(forced).values()) == {"done"}
    assert made.get_blob("shop/ann_bw_fine_art.jpg").generation > blob.generation


def test_a_changed_photo_or_option_replaces_ours_and_nothing_foreign_is_touched(
    perkie_here: Perkie, made: storage.Bucket, tmp_path: Path
) -> None:
    made.blob("shop/b ö_bw_fine_art.jpg").upload_from_string(b"theirs", "image/jpeg")
    first = body(perkie_here("stylize", "photos", *SMALL, *OUT))
    assert counts(first["summary"]) == {"total": 2, "done": 1, "failed": 1}
    assert made.get_blob("shop/b ö_bw_fine_art.jpg").download_as_bytes() == b"theirs"
    kept = body(perkie_here("stylize", "photos", *SMALL, *OUT, "--skip-existing"))
    assert counts(kept["summary"]) == {"total": 2, "skipped": 2}
    (tmp_path / "photos" / "ann.png").write_bytes(CAT.read_bytes() + b"changed")
    changed = perkie_here("stylize", "photos/ann.png", *SMALL, *OUT)
    assert statuses(changed) == {"gs://made/shop/ann_bw_fine_art.jpg": "done"}
    larger = ("-s", "bw_fine_art", "--size", "300", "--json", *OUT)
    assert statuses(perkie_here("stylize", "photos/ann.png", *larger)) == {"gs://made/shop/ann_bw_fine_art.jpg": "done"}


async def test_of_two_machines_that_write_one_output_at_once_none_loses_its_work(
    made: storage.Bucket, tmp_path: Path
) -> None:
    services = build_services(load().settings)
    source = FileSource(tmp_path / "photos" / "ann.png")
    origin = Origin(source, source.version(), "5" * 64, "ink")
    picture, target = marked(CAT.read_bytes(), OutputKind.PICTURE), ObjectPath("made/shop/ann.png")
    first, second, third = (Objects(ObjectPath("made/shop"), services.buckets) for _ in range(3))
    for machine in (first, second, third):
        await machine.look()
    assert await first.write(target, origin, picture, final=True) == []
    generation = made.get_blob("shop/ann.png").generation
    assert await second.write(target, origin, picture, final=True) == [], "the same work, done"
    with pytest.raises(OutputExists, match="somebody else meanwhile"):
        await third.write(target, replace(origin, sha256="6" * 64), picture, final=True)
    assert made.get_blob("shop/ann.png").generation == generation
    assert await third.check(target, origin, force=False) is OutputState.FRESH, "it has looked again"
    await services.aclose()


def test_outputs_beside_their_photos_are_no_photos_on_the_next_night(perkie_here: Perkie, made: storage.Bucket) -> None:
    out = ("--out-dir", "gs://uploads/in/styled")
    assert statuses(perkie_here("stylize", "gs://uploads/in", "-r", *SMALL, *out)) == {
        "gs://uploads/in/styled/cat_bw_fine_art.jpg": "done"
    }
    again = perkie_here("stylize", "gs://uploads/in", "-r", *SMALL, *out)
    assert statuses(again) == {"gs://uploads/in/styled/cat_bw_fine_art.jpg": "skipped"}
    told = perkie_here("stylize", "gs://uploads/in", "-r", *SMALL[:-1], *out).stderr
    assert "left out: 1 picture that perkie made, such as gs://uploads/in/styled/cat_bw_fine_art.jpg" in told
    only = perkie_here("stylize", "gs://uploads/in/styled/", *SMALL, *OUT)
    assert (only.returncode, body(only)["error"]["code"]) == (3, "no_photos")


def test_pets_and_their_sheets(perkie_here: Perkie, made: storage.Bucket) -> None:
    command = ("process", "photos", *SMALL, *OUT, "--matting-engine", "builtin")
    assert counts(body(perkie_here(*command))["summary"]) == {"total": 4, "done": 4}
    pets = [f"shop/{pet}/{name}" for pet in ("ann", "b ö") for name in ("bw_fine_art.jpg", "cutout.png", "sheet.jpg")]
    assert names(made) == [*pets, "shop/sheet.jpg"]
    assert made.get_blob("shop/ann/cutout.png").content_type == "image/png"
    before = made.get_blob("shop/sheet.jpg").generation
    assert counts(body(perkie_here(*command))["summary"]) == {"total": 4, "skipped": 4}
    assert made.get_blob("shop/sheet.jpg").generation == before, "nothing changed"


def test_one_file_by_name_and_addresses_that_lead_nowhere(perkie_here: Perkie, made: storage.Bucket) -> None:
    one = perkie_here("stylize", "photos/ann.png", *SMALL, "-o", "gs://made/one.webp")
    assert statuses(one) == {"gs://made/one.webp": "done"}
    assert made.get_blob("one.webp").content_type == "image/webp"
    into = perkie_here("stylize", "photos/ann.png", *SMALL, "-o", "gs://made/folder/")
    assert statuses(into) == {"gs://made/folder/ann_bw_fine_art.jpg": "cached"}
    nowhere = perkie_here("stylize", "photos", *SMALL, "--out-dir", "gs://nobody/x")
    assert (nowhere.returncode, "does not exist" in body(nowhere)["error"]["message"]) == (3, True)
    assert perkie_here("stylize", "photos", *SMALL, "--out-dir", "gs://").returncode == 2


def test_shards_leave_journals_beside_the_outputs_that_merge_into_one_run(
    perkie_here: Perkie, made: storage.Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "photos" / "cut.png").write_bytes(CAT.read_bytes()[:9000])
    monkeypatch.setenv("CLOUD_RUN_EXECUTION", "nightly-x7")
    for index in range(3):
        forget(monkeypatch, tmp_path / f"disk{index}")
        perkie_here("stylize", "photos", *SMALL, *OUT, "--shard", f"{index}/3")
    forget(monkeypatch, tmp_path / "disk0 again")
    perkie_here("stylize", "photos", *SMALL, *OUT, "--shard", "0/3")
    parts = [each.name for each in made.list_blobs(prefix="shop/.perkie/runs/nightly-x7/")]
    assert len({name.split("/")[-2] for name in parts}) == 4
    forget(monkeypatch, tmp_path / "desk")
    together = body(perkie_here("report", "merge", "gs://made/shop/", "--json"))
    assert {row["shard"] for row in together["results"]} == {"0/3", "1/3", "2/3"}
    assert together["summary"].items() >= {"state": "finished", "total": 3, "failed": 1}.items()
    shown = body(perkie_here("report", "show", "--json"))
    assert shown["summary"]["run"] == together["summary"]["run"]
    assert [(row["input"], row["status"]) for row in shown["results"]] == [
        ("photos/ann.png", "done"), ("photos/b ö.png", "done"), ("photos/cut.png", "failed")
    ]  # fmt: skip
    assert perkie_here("report", "show", "--html", "pages").returncode == 0
    assert sorted(each.name for each in (tmp_path / "pages" / "thumbs").iterdir()) == [
        "0-after.jpg", "0-before.jpg", "1-after.jpg", "1-before.jpg"
    ], "from the bucket; a damaged photo has none"  # fmt: skip
    retried = perkie_here("stylize", "photos", *SMALL, *OUT, "--retry-failed")
    assert [row["input"] for row in body(retried)["results"]] == ["photos/cut.png"]
    for each in made.list_blobs(prefix="shop/.perkie/"):
        if "/00000" in each.name and b'"1/3"' in each.download_as_bytes():
            each.delete()
    lost = perkie_here("report", "merge", "gs://made/shop", "--json")
    assert (lost.returncode, "has no beginning" in body(lost)["error"]["message"]) == (3, True)


def test_journals_of_shards_beside_outputs_in_a_folder(
    perkie_here: Perkie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(4):
        (tmp_path / "photos" / f"pet{number}.png").write_bytes(CAT.read_bytes() + bytes([number]))
    for index in (0, 1, 3):
        perkie_here("stylize", "photos", *SMALL, "--out-dir", "out", "--shard", f"{index}/4")
    (journal, *_) = (tmp_path / "out" / ".perkie" / "runs").rglob("00000.jsonl")
    assert journal.stat().st_mode & 0o77 == 0, "it names customers' photos"
    (tmp_path / "out" / "manifest.jsonl").write_text('{"path": "x"}')
    done = perkie_here("report", "merge", "out")
    assert done.returncode == 0, done.stderr
    assert "warning: no journal of shard 2/4: what it did is missing here" in done.stderr
    assert perkie_here("report", "merge", "out", "--since", "1ms").returncode == 3
    assert perkie_here("report", "merge", "nowhere").returncode == 3
    again = body(perkie_here("report", "merge", "out", "out", "--json"))
    assert len(again["results"]) == 3, "a journal that is given twice counts once"
