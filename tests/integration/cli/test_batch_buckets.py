"""``gs://`` as an input: the real client against the storage emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import storage

from tests.buckets import buckets, storage_thread
from tests.conftest import CAT, Perkie

SMALL = ("-s", "bw_fine_art", "--size", "256", "--out-dir", "out", "--json")
PHOTOS = ("in/cat.png", "in/2026/dog & hen.png", "in/2026/noending", "in/notes.txt", "in/2026/..png", "other/x.png")


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[storage.Bucket]:
    with storage_thread() as server, buckets(server.url, "uploads") as (bucket,):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        for number, name in enumerate(PHOTOS):
            kind = "text/plain" if name.endswith("txt") else "image/png"
            bucket.blob(name).upload_from_string(CAT.read_bytes() + bytes([number]), kind)
        yield bucket


def results(done: object) -> dict[str, tuple[str, str]]:
    return {
        row["input"].removeprefix("gs://uploads/"): (row["status"], row["output"])
        for row in json.loads(done.stdout)["results"]  # type: ignore[attr-defined]
    }


def test_everything_below_a_prefix_mirrored_and_not_again(perkie_here: Perkie, uploads: storage.Bucket) -> None:
    first = results(perkie_here("stylize", "gs://uploads/in/", "-r", *SMALL))
    assert first == {
        "in/2026/dog & hen.png": ("done", "out/2026/dog & hen_bw_fine_art.jpg"),
        "in/2026/noending": ("done", "out/2026/noending_bw_fine_art.jpg"),
        "in/cat.png": ("done", "out/cat_bw_fine_art.jpg"),
    }
    again = results(perkie_here("stylize", "gs://uploads/in", "-r", *SMALL))
    assert {status for status, _ in again.values()} == {"skipped"}
    uploads.blob("in/cat.png").upload_from_string(CAT.read_bytes() + b"changed", "image/png")
    changed = results(perkie_here("stylize", "gs://uploads/in", "-r", *SMALL))
    assert {name for name, (status, _) in changed.items() if status == "done"} == {"in/cat.png"}


def test_one_level_one_object_and_a_pattern(perkie_here: Perkie, uploads: storage.Bucket) -> None:
    del uploads
    assert list(results(perkie_here("stylize", "gs://uploads/in", *SMALL))) == ["in/cat.png"]
    assert list(results(perkie_here("stylize", "gs://uploads/other/x.png", *SMALL))) == ["other/x.png"]
    matched = results(perkie_here("stylize", "gs://uploads/*/2026/dog*", *SMALL))
    assert matched == {"in/2026/dog & hen.png": ("done", "out/in/2026/dog & hen_bw_fine_art.jpg")}


def test_a_prefix_with_more_objects_than_a_page_is_read_whole(
    perkie_here: Perkie, uploads: storage.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perkie_cli.stores.google.buckets.PAGE", 2)
    for number in range(5):
        uploads.blob(f"many/{number}.png").upload_from_string(b"x", "image/png")
    done = perkie_here("stylize", "gs://uploads/many/", *SMALL, "--dry-run")
    assert list(results(done)) == [f"many/{number}.png" for number in range(5)]


def test_a_manifest_may_name_objects(perkie_here: Perkie, uploads: storage.Bucket, tmp_path: Path) -> None:
    del uploads
    (tmp_path / "m.csv").write_text("path;output\ngs://uploads/in/cat.png;shop/cat.jpg\n")
    made = results(perkie_here("stylize", "--manifest", "m.csv", *SMALL))
    assert made == {"in/cat.png": ("done", "out/shop/cat.jpg")}


@pytest.mark.parametrize(
    ("address", "code", "told"),
    [
        ("gs://uploads/none/", 3, "has no pictures"),
        ("gs://nobody/in/", 3, "does not exist"),
        ("gs://", 2, "names no bucket"),
        ("gs://UP PER/x", 3, "bucket"),
    ],
)
def test_an_address_that_leads_nowhere_is_told(
    perkie_here: Perkie, uploads: storage.Bucket, address: str, code: int, told: str
) -> None:
    del uploads
    done = perkie_here("stylize", address, *SMALL)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, told in error["message"]) == (code, True), error


def test_outputs_do_not_go_beside_objects(perkie_here: Perkie, uploads: storage.Bucket) -> None:
    del uploads
    done = perkie_here("stylize", "gs://uploads/in/cat.png", "-s", "bw_fine_art")
    assert (done.returncode, "requires --out-dir" in done.stderr) == (2, True)
