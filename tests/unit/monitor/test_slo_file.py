"""slo.yaml is read strictly, and an alert that can never come true is refused."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.config.levels.reading import parse_levels, read_levels
from perkie_cli.domain.errors import BadInput, InvalidSetting, UnreadableFile
from perkie_cli.loadtest.reading.scenario_file import service_levels
from perkie_cli.ops.deploy.levels import GATED, gate_rules
from perkie_cli.ops.monitor.can_fire import check
from perkie_cli.telemetry.catalogue import SECONDS
from tests.conftest import ROOT

SHIPPED = (resources.files("perkie_cli") / "data" / "slo.yaml").read_text("utf-8")
SMALL = """\
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
spec: {description: Sells.}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: answered}
spec:
  ratioMetric:
    bad: {metricSource: {type: perkie, spec: {metric: requests, labels: {status: 5*}}}}
    total: {metricSource: {type: perkie, spec: {metric: requests, labels: {status: [2*, 5*]}}}}
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: availability
  annotations: {perkie.dev/load-test: up}
spec:
  service: shop
  indicatorRef: answered
  timeWindow: [{duration: 30d, isRolling: true}]
  objectives: [{target: 0.99}]
  alertPolicies: [{alertPolicyRef: fast}]
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata:
  name: fast
  annotations: {perkie.dev/runbook: burning-budget}
spec:
  conditions: [{conditionRef: fast}]
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec:
  severity: page
  condition: {kind: burnrate, op: gt, threshold: 14.4, lookbackWindow: 1h, alertAfter: 5m}
---
apiVersion: perkie/v1
kind: Alert
metadata:
  name: errors
  annotations: {perkie.dev/runbook: errors}
spec:
  severity: ticket
  condition:
    read: ratio
    series: {metric: requests, labels: {status: 5*}}
    total: {metric: requests, labels: {status: [2*, 5*]}}
    above: 10%
    window: 15m
    least: 20
---
apiVersion: perkie/v1
kind: Alert
metadata:
  name: memory
  annotations: {perkie.dev/runbook: memory}
spec:
  severity: page
  condition: {read: gauge, metric: memory_share, above: 90%, lasting: 3m}
"""


def refused(text: str) -> InvalidSetting:
    with pytest.raises(InvalidSetting) as error:
        check(parse_levels(text, "own.yaml"))
    assert error.value.exit_code == 3
    return error.value


def test_the_shipped_file_and_a_small_one_hold() -> None:
    check(read_levels())
    levels = parse_levels(SMALL, "own.yaml")
    check(levels)
    (burn,) = levels.objectives[0].burns
    assert (burn.window, burn.short, burn.least) == (3600, 300, 10)
    assert levels.load_rules == {"up": "error_rate<=1%"}


def test_the_promises_of_the_product_are_in_it() -> None:
    levels = {each.name: (each.target, each.indicator.under) for each in read_levels().objectives}
    promised: dict[str, tuple[float, float | None]] = {
        "availability": (0.99, None),
        "generation": (0.95, 15),
        "hits": (0.95, 0.1),
        "health": (0.95, 0.5),
        "cold-start": (0.99, 35),
        "cutout-availability": (0.99, None),
        "cutouts": (0.95, 5),
    }
    assert levels == promised
    rates = {
        burn.name: (burn.factor, burn.window, burn.short) for each in read_levels().objectives for burn in each.burns
    }
    assert rates["fast-burn"] == (14.4, 3600.0, 300.0)
    assert rates["slow-burn"] == (6.0, 21600.0, 1800.0)
    assert all(under in SECONDS for _, under in levels.values() if under is not None)


def test_load_tests_take_their_thresholds_from_it() -> None:
    known = service_levels()
    assert known["generation"] == "share_below_15s>=95%"
    assert known["availability"] == "error_rate<=1%"
    scenarios = (resources.files("perkie_cli") / "data" / "scenarios").iterdir()
    used = {name for file in scenarios for name in re.findall(r'(?m)^level = "(\w+)"', file.read_text("utf-8"))}
    assert used <= known.keys()


def test_a_canary_is_judged_by_it() -> None:
    """``perkie deploy gate``: a share of bad answers at most, and from how many seconds on one is bad."""
    rules = {each.name: each for each in gate_rules(list(GATED))}
    targets = {"availability": "availability", "generation": "generation", "cutout": "cutouts", "health": "health"}
    objectives = {each.name: each for each in read_levels().objectives}
    for level, name in targets.items():
        assert rules[level].allowed == pytest.approx(1 - objectives[name].target)
        assert rules[level].seconds == objectives[name].indicator.under


def test_every_route_in_it_exists() -> None:
    paths = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))["paths"]
    levels = read_levels()
    series = [each.condition.series for each in levels.alerts] + [each.indicator.total for each in levels.objectives]
    routes = {route for each in series for route in each.labels.get("route", ())}
    assert routes
    assert routes <= paths.keys()


WRONG = [
    ("kind: Service", "kind: Servise", "own.yaml:2: kind is 'Servise'", "Service"),
    ("openslo/v1\nkind: Service", "openslo/v2\nkind: Service", "own.yaml:1: apiVersion is 'openslo/v2'", ""),
    ("{name: shop}", "{name: Shop}", "own.yaml:3: metadata.name is 'Shop'; names are", ""),
    ("{description: Sells.}", "{description: Sells., owner: me}", "own.yaml:4: spec.owner is not known", ""),
    ("service: shop", "service: shops", "own.yaml:20: spec.service names 'shops'", "shop"),
    ("indicatorRef: answered", "indicatorRef: answer", "own.yaml:21: spec.indicatorRef names 'answer'", "answered"),
    ("duration: 30d", "duration: 45d", "own.yaml:22: spec.timeWindow[0].duration must be whole days", ""),
    ("target: 0.99", "target: 1.0", "own.yaml:23: spec.objectives[0].target must be from", ""),
    ("target: 0.99", "target: high", "own.yaml:23: spec.objectives[0].target is 'high', which is no number", ""),
    (
        "alertPolicyRef: fast",
        "alertPolicyRef: fist",
        "own.yaml:24: spec.alertPolicies[0].alertPolicyRef names 'fist'",
        "fast",
    ),
    ("conditionRef: fast", "conditionRef: slow", "own.yaml:32: spec.conditions[0].conditionRef names 'slow'", ""),
    ("lookbackWindow: 1h", "lookbackWindow: 1h30s", "own.yaml:39: spec.condition.lookbackWindow '1h30s'", ""),
    ("lookbackWindow: 1h", "lookbackWindow: 90s", "windows are whole minutes", ""),
    ("perkie.dev/runbook: burning-budget", "note: x", "own.yaml:16: metadata has no annotation perkie.dev/runbook", ""),
    ("perkie.dev/runbook: errors", "note: x", "own.yaml:43: metadata has no annotation perkie.dev/runbook", ""),
    ("perkie.dev/runbook: memory", "perkie.dev/runbok: memory", "perkie.dev/runbok is not known here", "runbook"),
    ("severity: ticket", "severity: mail", "own.yaml:47: spec.severity is 'mail'", ""),
    ("read: ratio", "read: share", "own.yaml:49: spec.condition.read is 'share'", ""),
    ("above: 10%", "above: 10%\n    below: 5%", "own.yaml:49: spec.condition needs one of above and below", ""),
    ("window: 15m", "window: 15m\n    window: 5m", "own.yaml:54: window is given twice", ""),
    ("name: memory", "name: errors", "own.yaml:59: metadata.name is 'errors', which is taken", ""),
    ("bad: {metric", "bat: {metric", "needs total, and one of good and bad", ""),
    ("spec: {description: Sells.}", "spec: {description: [", "own.yaml:5: not YAML", ""),
    ("name: shop}", "name: shop, x: \x07}", "own.yaml: not YAML", ""),
]


@pytest.mark.parametrize(("old", "new", "message", "hint"), WRONG, ids=[each[2] for each in WRONG])
def test_what_is_wrong_is_told_with_file_line_and_rule(old: str, new: str, message: str, hint: str) -> None:
    assert old in SMALL
    error = refused(SMALL.replace(old, new))
    assert message in error.message
    assert error.message.startswith("own.yaml")
    assert hint in (error.hint or "")


NEVER = [
    ("target: 0.99", "target: 0.9", "own.yaml:14: SLO availability: fast can never come true", ""),
    ("threshold: 14.4", "threshold: 100", "fast can never come true: with a target of 0.99 a budget burns at most", ""),
    (
        "above: 90%",
        "above: 100%",
        "own.yaml:56: Alert memory: it can never come true: memory_share is never above 1",
        "",
    ),
    ("above: 10%", "above: 100%", "Alert errors: it can never come true: requests is never above 1", ""),
    ("above: 10%", "below: 10%", "without any good event there is no ratio", "Turn it round"),
    ("window: 15m", "window: 30d", "Cloud Monitoring aligns over no more", ""),
    ("lasting: 3m", "lasting: 2d", "a condition lasts 23h30m at most", ""),
    ("metric: memory_share", "metric: memory_shares", "there is no metric 'memory_shares'", "memory_share"),
    ("metric: memory_share", "metric: requests", "requests is a counter, and a gauge is needed", ""),
    ("labels: {status: 5*}}\n    total", "labels: {stat: 5*}}\n    total", "requests has no label 'stat'", "status"),
    ("status: 5*}}\n    total", "status: 5xx}}\n    total", "requests never has status = '5xx'", ""),
    (
        "labels: {status: [2*, 5*]}}\n    above",
        "labels: {status: [2*, 3*]}}\n    above",
        "its ratio is no share: the series are no part of the total",
        "",
    ),
    (
        "{read: gauge, metric: memory_share, above: 90%, lasting: 3m}",
        "{read: count, metric: upstream_calls, labels: {outcome: exploded}, above: 3, window: 5m}",
        "upstream_calls never has outcome = 'exploded'",
        "",
    ),
    (
        "{read: gauge, metric: memory_share, above: 90%, lasting: 3m}",
        "{read: percentile, metric: picture_seconds, percentile: 95, above: 150, window: 5m}",
        "it can never come true: picture_seconds is never above 150",
        "",
    ),
    (
        "{read: gauge, metric: memory_share, above: 90%, lasting: 3m}",
        "{read: percentile, metric: picture_seconds, percentile: 95, above: 20, window: 5m}",
        "20 is between two buckets of picture_seconds",
        "15, 30",
    ),
    (
        "{read: gauge, metric: memory_share, above: 90%, lasting: 3m}",
        "{read: percentile, metric: start_seconds, percentile: 95, above: 30, window: 5m, least: 3}",
        "it needs a least count, and of start_seconds there is none",
        "",
    ),
    ("name: memory", "name: availability-fast", "its name is that of the burn rate at line 14", ""),
]


@pytest.mark.parametrize(("old", "new", "message", "hint"), NEVER)
def test_an_alert_that_can_never_come_true_is_refused(old: str, new: str, message: str, hint: str) -> None:
    assert old in SMALL
    error = refused(SMALL.replace(old, new))
    assert message in error.message
    assert error.message.startswith("own.yaml:")
    assert hint in (error.hint or "")


def test_a_window_longer_than_its_objective_is_refused() -> None:
    text = SMALL.replace("duration: 30d", "duration: 1d").replace("lookbackWindow: 1h", "lookbackWindow: 2d")
    assert "looks back longer than the objective's 1 days" in refused(text).message


def test_a_file_that_is_missing_or_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="cannot be read"):
        read_levels(tmp_path / "none.yaml")
    (tmp_path / "own.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnreadableFile, match="UTF-8"):
        read_levels(tmp_path / "own.yaml")


def test_aliases_and_depth_end_in_a_clear_error() -> None:
    laughs = "a: &a [x, x]\n" + "\n".join(f"b{n}: &b{n} [*{'a' if not n else f'b{n - 1}'}, *a]" for n in range(40))
    assert "own.yaml" in refused(laughs).message
    assert "nested too deeply" in refused("[" * 5000).message
    assert "larger than 1 MiB" in refused("#" * 1_100_000).message


@given(st.data())
def test_no_change_of_a_file_ends_in_anything_but_a_clear_error(data: st.DataObject) -> None:
    at, cut = data.draw(st.integers(0, len(SMALL))), data.draw(st.integers(0, 12))
    put = data.draw(
        st.text(max_size=6) | st.sampled_from(["[]", "{}", "~", '"', "1e999", "-1", ".nan", "&a *a", "---\n"])
    )
    try:
        check(parse_levels(SMALL[:at] + put + SMALL[at + cut :], "own.yaml"))
    except BadInput as error:
        assert error.message.startswith("own.yaml")
