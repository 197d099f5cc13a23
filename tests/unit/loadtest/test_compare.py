"""Comparing sets of runs: a change is told from noise, and the smallest that could have been seen is named."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perkie_cli.domain.errors import InvalidScenario
from perkie_cli.loadtest.compare import MEASURES, Change, compare, detectable, enough, holm, p_value, read_report


def reports(p95: list[float], **more: float) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for value in p95:
        latency = {"p50": more.get("p50", 0.05), "p95": value, "p99": more.get("p99", 0.5)}
        total = {"latency": latency, "error_rate": more.get("error_rate", 0.0), "rate": more.get("rate", 10.0)}
        rows.append({"schema": "perkie-load/1", "status": "passed", "scenario": {"name": "x"}, "total": total})
    return rows


def of(changes: tuple[Change, ...], name: str) -> Change:
    return next(change for change in changes if change.measure == name)


def test_a_clear_regression_is_found_and_an_improvement_is_none() -> None:
    a, b = [0.100, 0.103, 0.098, 0.101, 0.099], [0.150, 0.149, 0.153, 0.148, 0.151]
    worse = compare(reports(a), reports(b))
    assert [change.measure for change in worse.regressions] == ["p95"]
    assert of(worse.changes, "p95").ratio == pytest.approx(1.5, rel=0.02)
    assert not compare(reports(b), reports(a)).regressions


def test_noise_is_no_regression() -> None:
    dice = np.random.default_rng(1)
    found = 0
    for _ in range(100):
        a, b = (dice.lognormal(-2, 0.2, 5).tolist() for _ in range(2))
        found += bool(compare(reports(a), reports(b), least=0.0).regressions)
    assert found <= 5, "one of twenty at most"


def test_a_sure_but_small_change_is_ignored_below_the_minimum() -> None:
    a, b = [0.1000, 0.1001, 0.1002, 0.0999, 0.0998], [0.1030, 0.1031, 0.1029, 0.1032, 0.1028]
    assert not compare(reports(a), reports(b)).regressions
    assert compare(reports(a), reports(b), least=0.01).regressions


def test_fewer_answers_a_second_are_worse_and_more_errors_too() -> None:
    fewer = compare(reports([0.1] * 5, rate=10.0), reports([0.1] * 5, rate=8.0))
    assert [change.measure for change in fewer.regressions] == ["rate"]
    failing = compare(reports([0.1] * 5), reports([0.1] * 5, error_rate=0.05))
    assert [change.measure for change in failing.regressions] == ["error_rate"]


def test_one_run_a_side_gives_a_ratio_and_no_judgement() -> None:
    found = compare(reports([0.1]), reports([0.9]))
    change = of(found.changes, "p95")
    assert (found.judged, change.p, change.detectable, change.regressed) == (False, None, None, False)
    assert change.ratio == pytest.approx(9.0)
    assert not enough(3, 3)
    assert enough(5, 5)


def test_the_p_value_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats", reason="needs scipy, which comes with imagehash")
    dice = np.random.default_rng(3)
    for size in (4, 5, 6):
        a, b = dice.normal(0, 1, size), dice.normal(0.8, 1, size)
        peer = stats.permutation_test(
            (b, a), lambda x, y, axis: x.mean(axis) - y.mean(axis), vectorized=True, alternative="greater"
        )
        assert p_value(np.concatenate([a, b]), size) == pytest.approx(peer.pvalue)


def test_many_runs_are_judged_by_chosen_assignments() -> None:
    dice = np.random.default_rng(4)
    a, b = dice.normal(0, 1, 20), dice.normal(0, 1, 20)
    stats = pytest.importorskip("scipy.stats", reason="needs scipy, which comes with imagehash")
    peer = stats.ttest_ind(b, a, alternative="greater").pvalue
    assert p_value(np.concatenate([a, b]), 20) == pytest.approx(peer, abs=0.02)


def test_several_figures_are_judged_together() -> None:
    assert holm([0.04, 0.01, 0.9]) == [False, True, False]
    assert holm([0.01, 0.02, 0.03]) == [True, True, True]
    assert holm([0.02, 0.03, 0.03]) == [False, False, False]


def test_the_smallest_detectable_change_is_what_the_test_would_find() -> None:
    dice = np.random.default_rng(5)
    logs = dice.normal(0, 0.1, 12)
    factor = detectable(logs, 6)
    assert factor is not None
    still = np.concatenate([logs[:6] - logs[:6].mean(), logs[6:] - logs[6:].mean()])
    for shift, seen in ((np.log(factor) * 1.02, True), (np.log(factor) * 0.98, False)):
        moved = np.concatenate([still[:6], still[6:] + shift])
        assert (p_value(moved, 6) * len(MEASURES) <= 0.05) is seen


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "perkie-load/9"}, "schema is 'perkie-load/9'"),
        ({"total": {}}, "'latency' is missing"),
        ({"total": None}, "missing or wrong"),
        ({"status": "invalid"}, "the run is invalid"),
        ({"scenario": {"name": 3}}, "not a number"),
    ],
)
def test_what_is_no_report_of_a_valid_run_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps({**reports([0.1])[0], **change}))
    with pytest.raises(InvalidScenario, match=message):
        read_report(file)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "null", '{"schema": "perkie-load/1"}'])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InvalidScenario, match=r"a\.json"):
        read_report(tmp_path / "a.json")
