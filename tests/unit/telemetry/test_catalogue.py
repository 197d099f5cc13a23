"""The table of metrics: names that both systems take, and buckets where a service level cuts."""

from __future__ import annotations

import re

import pytest

from perkie_cli.loadtest.reading.scenario_file import service_levels
from perkie_cli.telemetry.catalogue import CATALOGUE, MOST_VALUES, OTHER, Kind, Label, Metric, Values
from perkie_cli.telemetry.catalogue import SECONDS as SECONDS_BOUNDS
from tests import made_metrics

METRICS = pytest.mark.parametrize("metric", CATALOGUE.values(), ids=CATALOGUE)
SECONDS = {"ms": 0.001, "s": 1.0}


@METRICS
def test_names_are_valid_in_prometheus_and_in_cloud_monitoring(metric: Metric) -> None:
    for name in (metric.name, *(label.name for label in metric.labels)):
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,60}", name), name
    assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket")), "Prometheus adds these itself"
    assert len(metric.labels) <= 10, "https://docs.cloud.google.com/monitoring/quotas"
    assert len({label.name for label in metric.labels}) == len(metric.labels)


@METRICS
def test_every_label_says_what_its_values_are(metric: Metric) -> None:
    for label in metric.labels:
        assert label.values or label.meaning, f"{metric.name}: {label.name}"


@METRICS
def test_buckets_belong_to_distributions(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.kind is Kind.DISTRIBUTION)
    assert list(metric.buckets) == sorted(set(metric.buckets))


@pytest.mark.parametrize("rule", service_levels().values())
def test_a_bucket_ends_where_a_service_level_cuts(rule: str) -> None:
    """Else a share below the threshold would be interpolated, and the alert off by up to a bucket."""
    cut = re.search(r"(?:p\d+<|below_)([\d.]+)(ms|s)\b", rule)
    if cut is not None:
        seconds = round(float(cut[1]) * SECONDS[cut[2]], 6)
        bounds = [each.buckets for each in CATALOGUE.values() if each.unit == "s" and each.buckets]
        assert bounds
        assert all(seconds in each for each in bounds), f"no bucket ends at {seconds:g} s, as {rule} needs"


def test_a_listed_label_takes_no_other_value() -> None:
    values = Values(Label("limit", ("ip", "session")))
    assert [values.bounded(each) for each in ("ip", "evil", "session")] == ["ip", OTHER, "session"]


def test_an_open_label_cannot_grow_without_end() -> None:
    values = Values(Label("style", meaning="id of a style"))
    seen = {values.bounded(f"style_{number}") for number in range(10 * MOST_VALUES)}
    assert len(seen) == MOST_VALUES + 1
    assert OTHER in seen
    assert values.bounded("style_0") == "style_0"


def test_the_page_has_the_table_as_it_is() -> None:
    page = made_metrics.PAGE.read_text("utf-8")
    assert made_metrics.written(page) == page, "python -m tests.made_metrics"
    told = re.search(r"buckets that end at ([\d., \nand]+)\nseconds", page)
    assert told is not None
    assert [float(each) for each in re.findall(r"[\d.]*\d", told[1])] == list(SECONDS_BOUNDS)
