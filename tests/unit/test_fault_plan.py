"""The emulator's fault plan: who is hit, when, and what is refused."""

from __future__ import annotations

import json
import random
import re
import statistics
import tomllib
from pathlib import Path

import pytest

from perkie_cli.config.models import load_models
from perkie_cli.domain.errors import BadInput
from perkie_cli.domain.money import dollars
from perkie_cli.emulators.gemini.plan import HOWS, Fault, Kind, Latency, Plan
from tests.conftest import ROOT

TOML = """
[latency]
median = 8.0
p95 = 15.0

[[fault]]
kind = "outage"
begin = 60
end = 120

[[fault]]
kind = "blocked"
reason = "IMAGE_SAFETY"
how = "answer"
calls = [3]

[[fault]]
kind = "slow"
share = 0.25
model = "gemini-3-pro-image"
"""


def test_the_first_that_fits_is_done(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(TOML)
    plan, rng = Plan.read(file), random.Random(0)
    assert plan.choose(1, 59.9, "m", rng) is None
    for number, elapsed, kind in ((3, 60.0, Kind.OUTAGE), (9, 119.9, Kind.OUTAGE), (3, 120.0, Kind.BLOCKED)):
        chosen = plan.choose(number, elapsed, "m", rng)
        assert chosen is not None
        assert chosen.kind is kind
    hits = sum(plan.choose(9, 0.0, "gemini-3-pro-image", rng) is not None for _ in range(4000))
    assert 850 < hits < 1150


def test_json_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"fault": [{"kind": "overloaded", "retry_after": 13, "calls": [1, 2]}]}))
    assert Plan.read(file) == Plan((Fault(Kind.OVERLOADED, retry_after=13, calls=(1, 2)),))


def test_latency_is_log_normal() -> None:
    rng = random.Random(2)
    drawn = sorted(Latency(8.0, 15.0).draw(rng) for _ in range(20_000))
    assert statistics.median(drawn) == pytest.approx(8.0, rel=0.02)
    assert drawn[19_000] == pytest.approx(15.0, rel=0.03)
    assert Latency(3.0, 1.0).draw(rng) == 3.0
    assert Latency().draw(rng) == 0.0


@pytest.mark.parametrize(
    "table",
    [
        [],
        {"faults": []},
        {"fault": {}},
        {"fault": ["outage"]},
        {"fault": [{}]},
        {"fault": [{"kind": "flood"}]},
        {"fault": [{"kind": "slow", "speed": 3}]},
        {"fault": [{"kind": "slow", "seconds": "long"}]},
        {"fault": [{"kind": "slow", "seconds": -1}]},
        {"fault": [{"kind": "slow", "share": 1.5}]},
        {"fault": [{"kind": "slow", "calls": 3}]},
        {"fault": [{"kind": "corrupt", "how": "badly"}]},
        {"latency": {"mean": 3}},
        {"latency": 3},
    ],
)
def test_nonsense_is_refused_in_a_sentence(table: object) -> None:
    with pytest.raises(BadInput):
        Plan.parse(table)


@pytest.mark.parametrize(("name", "text"), [("a.toml", "[[fault"), ("a.json", "{"), ("missing.toml", None)])
def test_a_broken_file_is_named(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=name):
        Plan.read(tmp_path / name)


def test_the_documented_plan_is_one_and_no_kind_is_left_out() -> None:
    page = (ROOT / "docs" / "gemini.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", page, flags=re.S)
    assert len(Plan.parse(tomllib.loads(block)).faults) == 4
    told = dict(re.findall(r"^\| `([a-z_]+)` \|.*\|(.*)\|$", page, flags=re.M))
    assert told.keys() == set(Kind)
    for kind, hows in HOWS.items():
        assert set(hows) <= set(re.findall(r"`(\w+)`", told[kind]))


def test_the_documented_prices_are_the_shipped_ones() -> None:
    page = (ROOT / "docs" / "gemini.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(gemini-[\w.-]+)` \| (\$.*?) \|", page, flags=re.M))
    shipped = {
        model.id: ", ".join(dollars(model.cost(0, tokens, 0)) for tokens in model.image_tokens.values())
        for model in load_models().all()
    }
    assert rows == shipped
