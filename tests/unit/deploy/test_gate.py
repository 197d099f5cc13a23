"""The verdict on a revision: by exact tests, with a least number of answers, and beside the old one."""

from __future__ import annotations

import random
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.deploy.gate import Counts, Demands, Health, Rule, Sample, at_least, judge, overall, worse
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.loadtest.reading.scenario_file import service_levels
from perkie_cli.ops.deploy.levels import GATED, gate_rules

RULE = Rule("error_rate", "error_rate<2%", 0.02)
DEMANDS = Demands(least=60, stale=30.0)


def sample(bad: float, total: float, age: float | None = 0.0) -> Sample:
    return Sample({"error_rate": Counts(bad, total)}, age)


@pytest.mark.parametrize(
    ("new", "old", "health", "why"),
    [
        (sample(0, 60), sample(0, 500), Health.HEALTHY, "within its limit"),
        (sample(0, 59), sample(0, 500), Health.INCONCLUSIVE, "fewer than 60 answers"),
        (sample(5, 5), sample(0, 500), Health.UNHEALTHY, "more than the 0.02 that are allowed"),
        (sample(2, 80), sample(0, 500), Health.INCONCLUSIVE, "above its limit, but it may be chance"),
        (sample(30, 60), sample(250, 500), Health.INCONCLUSIVE, "the old revision suffers too"),
        (sample(58, 60), sample(25, 500), Health.UNHEALTHY, "more than the 0.02 that are allowed"),  # the new far more
        (sample(5, 5), sample(1, 1), Health.INCONCLUSIVE, "the old revision suffers too"),  # as far as anybody knows
        (sample(30, 60), sample(1, 20), Health.UNHEALTHY, "more than the 0.02 that are allowed"),
        (sample(30, 60), Sample(), Health.UNHEALTHY, "more than the 0.02 that are allowed"),
        (Sample(), sample(0, 500), Health.INCONCLUSIVE, "no data"),
        (sample(0, 600, age=31), sample(0, 500), Health.INCONCLUSIVE, "data are 31 s old"),
        (sample(600, 600, age=31), sample(0, 500), Health.INCONCLUSIVE, "data are 31 s old"),
    ],
)
def test_a_rule(new: Sample, old: Sample, health: Health, why: str) -> None:
    (finding,) = judge([RULE], new, old, DEMANDS)
    assert (finding.health, finding.why) == (health, why)
    assert finding.shared == (why == "the old revision suffers too")


def test_unhealthy_beats_inconclusive_beats_healthy() -> None:
    rules = [Rule(name, "", 0.02) for name in ("good", "unknown", "bad")]
    counts = {"good": Counts(0, 600), "unknown": Counts(0, 1), "bad": Counts(300, 600)}
    findings = judge(rules, Sample(counts, 0.0), Sample(), DEMANDS)
    assert [each.health for each in findings] == [Health.HEALTHY, Health.INCONCLUSIVE, Health.UNHEALTHY]
    assert overall(findings) is Health.UNHEALTHY
    assert overall(findings[:2]) is Health.INCONCLUSIVE
    assert overall(findings[:1]) is Health.HEALTHY
    assert overall([]) is Health.INCONCLUSIVE


def test_no_failure_of_sixty_excludes_five_percent() -> None:
    """The rule of three, by which the default of ``min_samples`` was chosen."""
    assert 0.95**60 < 0.05 < 0.95**58


@given(st.integers(1, 60), st.integers(0, 60), st.sampled_from([0.001, 0.02, 0.05, 0.5]))
def test_the_tail_is_the_binomial_one(total: int, bad: int, allowed: float) -> None:
    bad = min(bad, total)
    exact = sum(comb(total, k) * allowed**k * (1 - allowed) ** (total - k) for k in range(bad, total + 1))
    assert at_least(Counts(bad, total), allowed) == pytest.approx(min(1.0, exact), rel=1e-6)


@given(st.integers(1, 40), st.integers(0, 40), st.integers(1, 40), st.integers(0, 40))
def test_the_comparison_is_fishers(total: int, bad: int, old_total: int, old_bad: int) -> None:
    bad, old_bad = min(bad, total), min(old_bad, old_total)
    every, whole = bad + old_bad, total + old_total
    exact = sum(
        comb(every, k) * comb(whole - every, total - k) / comb(whole, total)
        for k in range(bad, min(every, total) + 1)
        if total - k <= whole - every
    )
    assert worse(Counts(bad, total), Counts(old_bad, old_total)) == pytest.approx(min(1.0, exact), rel=1e-6)


def test_large_counts_are_no_trouble() -> None:
    assert at_least(Counts(30_000, 1_000_000), 0.02) == pytest.approx(0.0, abs=1e-12)
    assert at_least(Counts(15_000, 1_000_000), 0.02) == pytest.approx(1.0)
    assert worse(Counts(500, 10_000), Counts(500, 10_000)) > 0.4


def test_looking_often_does_not_make_a_revision_bad() -> None:
    """Just at its limit, looked at after each answer: without its part of the doubt every third would go back."""
    looks, went_back, naive = 200, 0, 0
    for seed in range(60):
        dice = random.Random(seed)
        bad, seen = 0, [False, False]
        for total in range(1, looks + 1):
            bad += dice.random() < RULE.allowed
            for at, demands in enumerate((Demands(60, 30.0, looks), Demands(60, 30.0))):
                (finding,) = judge([RULE], sample(bad, total), Sample(), demands)
                seen[at] |= finding.health is Health.UNHEALTHY
        went_back, naive = went_back + seen[0], naive + seen[1]
    assert went_back <= 3  # of 60: five percent
    assert naive > 6


def test_every_level_that_can_be_a_gate_is_one() -> None:
    rules = {rule.name: rule for rule in gate_rules([*GATED])}
    assert rules["error_rate"].allowed == pytest.approx(0.02)
    assert rules["generation"].allowed == rules["cutout"].allowed == pytest.approx(0.05)
    assert [rules[name].seconds for name in ("error_rate", "generation", "cutout")] == [None, 15.0, 5.0]
    assert rules["cutout"].route == "/remove-background"
    assert all(rule.text == service_levels()[name] for name, rule in rules.items())


def test_a_level_that_is_no_share_of_bad_answers_is_no_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError):
        gate_rules(["nonsense"])
    monkeypatch.setitem(GATED, "hit_rate", "")
    with pytest.raises(InvalidParameter, match="cannot be a gate"):
        gate_rules(["hit_rate"])
