"""What a journal means."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from perkie_cli.loadtest.chaos.stage.ledger import Answer, Ledger, Order
from perkie_cli.loadtest.chaos.verdict import EXTENSION_KEY, Finding, Verdict, judge, verdict_of


def journal(**changes: Any) -> dict[str, Any]:
    met = {"steady_state_met": True, "probes": []}
    return {
        "status": "completed",
        "steady_states": {"before": met, "after": met},
        "run": [],
        "rollbacks": [],
        EXTENSION_KEY: {"steady_state_after_rollbacks": met},
        **changes,
    }


def test_failures_come_before_everything_else() -> None:
    assert verdict_of([]) is Verdict.PASSED
    for verdicts in itertools.permutations(Verdict):
        assert verdict_of([Finding("x", verdict) for verdict in verdicts]) is Verdict.FAILED
    assert verdict_of([Finding("x", Verdict.INVALID), Finding("y", Verdict.INTERRUPTED)]) is Verdict.INTERRUPTED
    assert verdict_of([Finding("x", Verdict.INVALID), Finding("y")]) is Verdict.INVALID
    assert {verdict.exit_code for verdict in Verdict} == {0, 98, 99, 130}


def test_an_interrupted_activity_has_no_status() -> None:
    run = {"activity": {"name": "a", "type": "action"}}
    found = judge(journal(status="interrupted", run=[run]), [Finding("met", Verdict.INVALID)], ["SIGINT"])
    assert verdict_of(found) is Verdict.INTERRUPTED
    unfinished = judge(journal(rollbacks=[run]), [], [])
    assert verdict_of(unfinished) is Verdict.FAILED


def test_an_abort_says_nothing() -> None:
    assert verdict_of(judge(journal(status="aborted"), [], [])) is Verdict.INVALID


def test_only_what_gemini_drew_for_this_request_is_charged() -> None:
    drawn = Answer(Order(1, "s"), 1.0, 200, engine="gemini", cache="miss")
    ledger = Ledger([drawn])
    free = {"engine": "local"}, {"cache": "hit"}, {"cache": "joined"}, {"degraded": True}, {"status": 503}
    ledger.answers += [Answer.read({**drawn.fields(), **change}) for change in free]
    ledger.answers.append(Answer(Order(2, "t"), 1.0, 0, "broken_off"))
    assert ledger.successes() == {"s": 1, "t": 0}
    assert ledger.unanswered() == {"t": 1}
    assert drawn in ledger.known()
    assert [ledger.new_photo(), ledger.new_photo(), ledger.new_session()] == [0, 1, "chaos-0"]


@pytest.mark.parametrize("cache", ["hit", "shared", "near"])
def test_hits_are_hits(cache: str) -> None:
    assert Answer(Order(1, "s"), 0.1, 200, cache=cache).hit
    assert not Answer(Order(1, "s"), 0.1, 503, cache=cache).hit
