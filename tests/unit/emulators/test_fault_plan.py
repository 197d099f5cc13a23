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
from perkie_cli.domain.money.spend import dollars
from perkie_cli.emulators.fault_plan import Faults, parse_faults, read_plan
from perkie_cli.emulators.firestore.plan import FirestoreFault
from perkie_cli.emulators.gemini.plan import HOWS, GeminiFault, GeminiFaultKind, GeminiPlan, Latency
from perkie_cli.emulators.lease import take_lease
from tests.clock import ManualClock
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
    clock = ManualClock()
    faults = Faults(clock, GeminiPlan.parse(read_plan(file)).faults)

    def chosen(number: int, model: str = "m") -> GeminiFaultKind | None:
        fault = faults.choose(lambda each: each.fits(number, model))
        return fault.kind if fault is not None else None

    assert sum(chosen(9, "gemini-3-pro-image") is GeminiFaultKind.SLOW for _ in range(4000)) in range(850, 1150)
    clock.advance(59.9)
    assert chosen(1) is None
    clock.advance(0.1)
    assert chosen(3) is GeminiFaultKind.OUTAGE
    clock.advance(60)
    assert chosen(3) is GeminiFaultKind.BLOCKED


def test_only_so_many_are_hit() -> None:
    faults = Faults(
        ManualClock(), parse_faults({"fault": [{"kind": "error", "method": "read", "first": 2}]}, FirestoreFault)
    )
    methods = ["Commit", "RunQuery", "GetDocument", "RunQuery"]
    hit = [faults.choose(lambda each, method=method: each.fits(method)) is not None for method in methods]  # type: ignore[misc]
    assert hit == [False, True, True, False]


def test_json_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"fault": [{"kind": "overloaded", "retry_after": 13, "calls": [1, 2]}]}))
    assert GeminiPlan.parse(read_plan(file)) == GeminiPlan(
        (GeminiFault(GeminiFaultKind.OVERLOADED, retry_after=13, calls=(1, 2)),)
    )


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
        GeminiPlan.parse(table)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "fault 1: kind is missing"),
        ({"kind": "error", "method": "commmit"}, "fault 1: method 'commmit' is not known"),
        ({"kind": "error", "code": "TIRED"}, "fault 1: code 'TIRED' is not known"),
        ({"kind": "slow", "share": 2}, "fault 1: share must be between 0 and 1"),
        ({"kind": "slow", "seconds": True}, "fault 1: seconds: True is not a number from 0"),
    ],
)
def test_a_refusal_names_the_entry(row: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_faults({"fault": [row]}, FirestoreFault)


@pytest.mark.parametrize(("name", "text"), [("a.toml", "[[fault"), ("a.json", "{"), ("missing.toml", None)])
def test_a_broken_file_is_named(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=name):
        read_plan(tmp_path / name)


def test_the_documented_plan_is_one_and_no_kind_is_left_out() -> None:
    page = (ROOT / "docs" / "gemini.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", page, flags=re.S)
    assert len(GeminiPlan.parse(tomllib.loads(block)).faults) == 4
    told = dict(re.findall(r"^\| `([a-z_]+)` \|.*\|(.*)\|$", page, flags=re.M))
    assert told.keys() == set(GeminiFaultKind)
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


def test_faults_end_with_their_lease_and_count_from_when_they_were_set() -> None:
    clock = ManualClock()
    faults = Faults(clock, parse_faults({"fault": [{"kind": "error", "begin": 5}]}, FirestoreFault))
    clock.advance(100)
    assert hits(faults) == 1, "without a lease, times count from the start"
    faults.set(parse_faults({"fault": [{"kind": "error", "begin": 5}]}, FirestoreFault), lease=60)
    assert hits(faults) == 0
    clock.advance(5)
    assert (hits(faults), faults.lease.left) == (1, 55)
    clock.advance(55)
    assert (hits(faults), faults.plan, faults.rows(), faults.lease.left) == (0, (), [], 0)
    assert faults.met == [1], "what was met is told after the end"
    faults.set([])
    assert (faults.met, faults.lease.left) == ([1], None)


def test_a_restart_does_not_make_a_fault_last_longer() -> None:
    clock = ManualClock()
    faults: Faults[FirestoreFault] = Faults(clock)
    faults.set(parse_faults({"fault": [{"kind": "error"}]}, FirestoreFault), lease=60)
    clock.advance(30)
    assert hits(faults) == 1
    faults.restart()
    assert faults.met == [0]
    assert hits(faults) == 1
    clock.advance(30)
    assert hits(faults) == 0


def hits(faults: Faults[FirestoreFault]) -> int:
    """How many faults one call meets."""
    return int(faults.choose(lambda each: each.fits("Commit")) is not None)


@pytest.mark.parametrize(("given", "seconds"), [("60s", 60), ("1.5m", 90), ("500ms", 0.5)])
def test_a_lease_is_written_as_any_duration(given: object, seconds: float) -> None:
    assert take_lease({"for": given, "fault": []}) == ({"fault": []}, seconds)


@pytest.mark.parametrize("given", [0, -1, 60, "60", "0s", "soon", True, None, [], "1e9w", float("nan"), float("inf")])
def test_a_lease_that_is_none_is_refused(given: object) -> None:
    with pytest.raises(BadInput, match="for"):
        take_lease({"for": given})
