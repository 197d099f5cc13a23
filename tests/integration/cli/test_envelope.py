"""Whatever is typed with ``--json``: one envelope on stdout, and an exit code of the contract."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perkie_cli.cli.boundary import run
from perkie_cli.cli.flags import hoist
from tests.conftest import CAT

KEYS = ["schema", "command", "ok", "results", "summary", "warnings", "error"]


def ran(*args: str) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
        code = run(hoist(["--json", *args]))
    assert "Traceback" not in err.getvalue()
    assert out.getvalue().count("\n") == 1, out.getvalue()
    body: dict[str, Any] = json.loads(out.getvalue())
    assert list(body) == KEYS
    assert body["schema"] == "perkie/1"
    assert body["ok"] is (code == 0) is (body["error"] is None)
    return code, body


words = st.sampled_from([
    "stylize", "styles", "cache", "config", "quota", "models", "list", "show", "stats", "inspect", "purge", "verify",
    "grant", "path", "ink_wash", "modern", "nobody", "gone.jpg", "-o", "--style", "-s", "--size", "--hash", "--limit",
    "--customer", "--expired", "--older-than", "--dry-run", "--yes", "-v", "--profile", "--config",
    "--config=gone.toml", "--version", "1", "-1", "7d", "99999999999d", "9" * 30, "596a1e7c", "../x", "", "-", "--",
    "-qv", "--nonsense",
])  # fmt: skip


@given(st.lists(words, max_size=6))
@settings(max_examples=300)
def test_anything_typed_gives_one_envelope(typed: list[str]) -> None:
    code, _ = ran(*typed)
    assert code in (0, 2, 3, 8)


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("", "perkie"),
        ("nonsense", "perkie"),
        ("--version", "perkie"),
        ("stylize", "stylize"),
        ("cache", "cache"),
        ("cache nonsense", "cache"),
        ("cache inspect --hash 596a", "cache inspect"),
        ("cache stats --limit 0", "cache stats"),
        ("styles show", "styles show"),
        ("--config gone.toml config show", "config show"),
        ("styles list", "styles list"),
    ],
)
def test_the_envelope_names_the_command_however_early_it_fails(typed: str, command: str) -> None:
    assert ran(*typed.split())[1]["command"] == command


def test_the_names_of_the_fields(tmp_path: Path) -> None:
    cat, cut, out = tmp_path / "cat.png", tmp_path / "cut.png", str(tmp_path / "out")
    cat.write_bytes(CAT.read_bytes())
    cut.write_bytes(CAT.read_bytes()[:9000])
    code, body = ran("stylize", str(cat), str(cut), "-s", "bw_fine_art", "--size", "256", "--out-dir", out)
    assert (code, body["summary"]) == (6, {"total": 2, "done": 1, "failed": 1})
    done, failed = body["results"]
    assert list(done) == [
        "input", "output", "status", "style", "image_hash", "cache", "cache_hit", "engine", "model", "degraded",
        "degradation_reason", "processing_time", "cost_usd", "attempts", "tokens", "width", "height", "quota",
        "warnings",
    ]  # fmt: skip
    assert list(failed) == ["input", "output", "status", "style", "warnings", "error"]
    assert list(failed["error"]) == list(body["error"]) == ["code", "message", "hint", "retryable"]
    both = ran("stylize", str(cut), str(cut.with_name("gone.png")), "-s", "modern", "--out-dir", out)
    assert (both[0], both[1]["error"]["code"]) == (3, "partial_failure")
    same = ran("stylize", str(cut), "-s", "modern,classic", "--out-dir", out)
    assert (same[0], same[1]["error"]["code"]) == (3, "corrupt_image")
