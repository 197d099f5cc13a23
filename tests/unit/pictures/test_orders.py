"""Orders as documents, their files of lines, and the prices of the Batch API."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from google.cloud.firestore_v1.types import Value

from perkie_cli.batch.orders.lines import append_line, read_lines, write_line
from perkie_cli.config.models import load_models
from perkie_cli.domain.errors import InvalidSetting, UnwritableFile
from perkie_cli.domain.pictures.orders import JobState, Order, OrderedPicture, UpstreamJob
from perkie_cli.stores.google.firestore_values import decode, encode

PICTURE = OrderedPicture("ab" * 32, "ink_wash", "0123456789ab", 1024, "2026-11-21_3_77", Decimal("0.01785"))
ORDER = Order("perkie-1", "m", datetime(2026, 11, 21, 3, tzinfo=UTC), (PICTURE, PICTURE), "files/in")


def test_an_order_survives_every_store_unchanged() -> None:
    seen = ORDER.seen(UpstreamJob("batches/7", "perkie-1", JobState.RUNNING, "running"))
    for order in (ORDER, seen):
        document = order.to_document()
        assert Order.from_document("perkie-1", json.loads(json.dumps(document))) == order
        stored = {name: Value.pb(value) for name, value in encode(document).items()}
        assert Order.from_document("perkie-1", decode(stored)) == order
    assert (seen.job, seen.state, seen.usd) == ("batches/7", "running", Decimal("0.0357"))


def test_only_known_ends_are_ends() -> None:
    assert {state for state in JobState if not state.ended} == {JobState.PENDING, JobState.RUNNING, JobState.UNKNOWN}


def test_a_broken_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_bytes(b'{"key": "0"}\n{"key": \n\n["1"]\n{"key": "' + b"x" * 200 + b'"}\n{"key": "2"}\n{"key": "3"}')
    assert [row["key"] for row in read_lines(path, longest=64)] == ["0", "2", "3"]


def test_lines_are_added_to_a_file_that_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text("what was there before\n")
    assert write_line(path, {"key": "0"}) == len('{"key":"0"}\n')
    assert append_line(path, {"key": "1"}) == 2 * len('{"key":"0"}\n')
    assert [row["key"] for row in read_lines(path)] == ["0", "1"]
    with pytest.raises(UnwritableFile, match="cannot be written"):
        write_line(tmp_path / "none" / "requests.jsonl", {})


def test_batches_cost_half_or_what_the_row_says(tmp_path: Path) -> None:
    model = load_models().find("gemini-nano-banana-2.1")
    assert model.batched().price("2K") == model.price("2K") / 2
    own = tmp_path / "models.toml"
    row = """[[model]]\nid = "own"\nusd_per_million = { image = "1", text = "1", input = "1" }
image_tokens = { 1K = 1000 }\ninput_tokens = 1\nreference_side = 1024\n"""
    own.write_text(f"{row}batch_share = 0.25\n")
    cheap = load_models(own).find("own")
    assert cheap.batched().price("1K") == cheap.price("1K") / 4
    own.write_text(f"{row}batch_share = 1.5\n")
    with pytest.raises(InvalidSetting, match="not a share of the price"):
        load_models(own)
