"""Thresholds: how they are written, and when they hold."""

import pickle
import random

import pytest
from hdrh.histogram import HdrHistogram

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.loadtest.histogram import BATCH, Histogram
from perkie_cli.loadtest.tally import Outcome, Series
from perkie_cli.loadtest.thresholds import Threshold, parse_rule


def series(latencies: list[float], **counts: int) -> Series:
    found = Series(seconds=10.0)
    for each in latencies:
        found.latency.record(each)
        found.outcomes[Outcome.OK] += 1
    for name in ("error", "timeout", "skipped"):
        found.outcomes[Outcome(name)] = counts.pop(name, 0)
    for _ in range(found.outcomes[Outcome.TIMEOUT]):
        found.latency.record(60.0)
    for name, count in counts.items():
        setattr(found, name, count)
    return found


def holds(rule: str, measured: Series) -> bool:
    return Threshold(rule, *parse_rule(rule)).judge(measured).holds


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        ("p95<15s", ("p95", "<", 15.0)),
        ("p99.9 <= 250ms", ("p99.9", "<=", 0.25)),
        ("share_below_15s>0.95", ("share_below_15s", ">", 0.95)),
        ("share_below_1.5s>=95 %".replace(" ", ""), ("share_below_1.5s", ">=", 0.95)),
        ("error_rate<2%", ("error_rate", "<", 0.02)),
        ("hit_rate>60%", ("hit_rate", ">", 0.6)),
        ("rate>=9.5", ("rate", ">=", 9.5)),
        ("max<1m", ("max", "<", 60.0)),
    ],
)
def test_rules_read_as_people_write_them(rule: str, parts: tuple[str, str, float]) -> None:
    assert parse_rule(rule) == pytest.approx(parts)


@pytest.mark.parametrize(
    "rule",
    [
        *("", "p95", "p95<", "p95=15s", "p100<1s", "p95<15 lightyears", "error_rate<200%", "hit_rate>-1"),
        *("share_below_x>0.9", "share_below_0s>0.9", "speed>1", "p95<15s extra words", "error_rate<nan", "rate>inf"),
    ],
)
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_rule(rule)


def test_each_metric_is_judged() -> None:
    measured = series([0.1] * 90 + [2.0] * 10, hits=60, misses=40)
    assert holds("p90<200ms", measured)
    assert not holds("p95<1s", measured)
    assert holds("share_below_1s>=90%", measured)
    assert not holds("share_below_1s>90%", measured)
    assert holds("hit_rate>=60%", measured)
    assert holds("error_rate<=0%", measured)
    assert holds("rate>=10", measured)
    assert holds("max<2.1s", measured)


def test_errors_timeouts_and_what_a_slow_server_kept_from_being_sent_are_not_fast_answers() -> None:
    measured = series([0.1] * 90, error=4, timeout=4, skipped=2)
    assert holds("error_rate<=10%", measured)
    assert not holds("error_rate<10%", measured)
    assert holds("share_below_1s>=90%", measured)
    assert not holds("share_below_1s>90%", measured)
    assert not holds("p99<59s", measured), "a timeout is as slow as its limit"


def test_what_was_not_measured_does_not_hold() -> None:
    for rule in ("p95<1s", "error_rate<2%", "hit_rate>0%", "share_below_1s>0%", "max<1s"):
        judgement = Threshold(rule, *parse_rule(rule)).judge(Series())
        assert not judgement.holds
        assert judgement.shown == "nothing measured"


def test_a_duration_out_of_range_is_clamped_and_counted() -> None:
    found = Histogram()
    for value in (-0.5, 0.0, 1e-9, 0.25, 599.0, 601.0, 1e9):
        found.record(value)
    assert (found.count, found.clamped) == (7, 3)
    assert found.quantile(1.0) == pytest.approx(600.0, rel=0.001)


def test_durations_counted_together_are_counted_as_by_hdrhistogram_itself() -> None:
    dice = random.Random(2)
    edges = [each + more for power in range(30) for each in (2**power,) for more in (-1, 0, 1) if each + more <= 600e6]
    micros = [*edges, 600_000_000, *(int(dice.lognormvariate(9, 4)) % 600_000_001 for _ in range(2 * BATCH))]
    found, plain = Histogram(), HdrHistogram(1, 600_000_000, 3)
    for micro in micros:
        found.record(micro / 1e6)
        plain.record_value(micro)
    assert list(found.counts.counts) == list(plain.counts)
    for name in ("total_count", "min_value", "max_value"):
        assert getattr(found.counts, name) == getattr(plain, name)


def test_merged_histograms_are_those_of_all_values() -> None:
    dice = random.Random(1)
    values = [dice.lognormvariate(-3, 1) for _ in range(5000)]
    whole, parts = Histogram(), [Histogram() for _ in range(3)]
    for number, value in enumerate(values):
        whole.record(value)
        parts[number % 3].record(value)
    merged = Histogram()
    for part in parts:
        merged.add(pickle.loads(pickle.dumps(part)))
    assert merged.figures() == whole.figures()
    for share in (0.5, 0.9, 0.99):
        exact = sorted(values)[int(share * len(values)) - 1]
        assert merged.quantile(share) == pytest.approx(exact, rel=0.002)
    assert merged.below(0.05) == pytest.approx(sum(value < 0.05 for value in values), rel=0.005)
