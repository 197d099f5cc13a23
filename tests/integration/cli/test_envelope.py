"""Whatever is typed with ``--json``: one envelope on stdout, and an exit code of the contract."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perkie_cli.cli.app import COMMANDS, load_command
from perkie_cli.cli.boundary import run
from perkie_cli.cli.flags import hoist
from perkie_cli.cli.rows import ROWS
from tests import made_schema
from tests.conftest import CAT, counts

SCHEMA = jsonschema_rs.validator_for(made_schema.document())
KEYS = ["schema", "command", "ok", "results", "summary", "warnings", "error"]


def ran(*args: str) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
        code = run(hoist(["--json", *args]))
    assert "Traceback" not in err.getvalue()
    assert out.getvalue().count("\n") == 1, out.getvalue()
    body: dict[str, Any] = json.loads(out.getvalue())
    assert list(body) == KEYS
    wrong = next(iter(SCHEMA.iter_errors(body)), None)
    assert wrong is None, f"{wrong}: {out.getvalue()[:500]}"
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
    assert (code, counts(body["summary"])) == (6, {"total": 2, "done": 1, "failed": 1})
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


def test_the_published_schema_is_that_of_the_rows() -> None:
    published = json.loads(made_schema.DOCUMENT.read_text("utf-8"))
    assert published == made_schema.document(), "python -m tests.made_schema"
    jsonschema_rs.meta.validate(published)


def test_every_command_says_what_its_rows_are() -> None:
    found = {"perkie"}
    for name in COMMANDS:
        inner = getattr(load_command(name), "commands", {})
        found |= {f"{name} {each}" for each in inner} or {name}
    assert set(ROWS) == found


@pytest.mark.parametrize(
    "typed",
    ["styles list", "styles show ink_wash", "models list", "cache stats", "cache verify", "config show", "config path",
     "quota show --customer 42", "quota grant 2 --customer 42 --yes", "quota charge 2 --customer 42 --yes",
     "quota reset --customer 42 --yes", "--version"],
)  # fmt: skip
def test_rows_of_commands_fit_the_schema(typed: str) -> None:
    code, body = ran(*typed.split())
    assert code == 0
    assert body["results"] or typed in ("cache stats", "cache verify")


def test_rows_of_style_files_fit_the_schema(home: Path) -> None:
    own = home / "config" / "perkie" / "styles"
    own.mkdir(parents=True)
    (own / "z.toml").write_text("id = ")
    (own / "mine.toml").write_text('id = "mine"\ntitle = "M"\nprompt = "p"\n')
    code, checked = ran("styles", "check")
    assert (code, [row["ok"] for row in checked["results"]]) == (3, [True, False])
    code, listed = ran("styles", "list")
    assert (code, listed["results"][-1]["faults"][0]["line"], len(listed["warnings"])) == (0, 1, 1)


def test_rows_of_a_drawing_fit_the_schema(tmp_path: Path) -> None:
    out = ["--out-dir", str(tmp_path)]
    drawn = ["stylize", str(CAT), "-s", "bw_fine_art", "--size", "256", *out]
    for options in ([], [], ["--force", "--customer", "42"], ["--estimate"], ["--dry-run", "--force"]):
        assert ran(*drawn, *options)[0] == 0
    assert ran("cache", "stats")[1]["results"]
    assert ran("cache", "inspect")[1]["results"]
    assert ran("cache", "purge", "--customer", "42", "--yes")[1]["results"]
    assert ran("remove-bg", str(CAT), "--engine", "builtin", *out)[0] == 0
    assert ran("styles", "preview", str(CAT), "-o", str(tmp_path / "sheet.png"))[0] == 0
