"""The measures in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector

from perkie_cli.telemetry.catalogue import CATALOGUE, Kind, Metric
from perkie_cli.telemetry.measures import Distribution, Measures

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
_FAMILIES: dict[Kind, type[Family]] = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
    Kind.DISTRIBUTION: HistogramMetricFamily,
}


class Exposition:
    """What ``/metrics`` shows: the measures and those of the process."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Family]:
        """Called by the library: every metric, also those without a value yet."""
        families = {name: _family(metric) for name, metric in CATALOGUE.items()}
        for each in self._measures.read():
            family, labels = families[each.metric.name], list(each.labels.values())
            if isinstance(each.value, Distribution):
                assert isinstance(family, HistogramMetricFamily)
                family.add_metric(labels, _buckets(each.metric, each.value), each.value.sum)
            else:
                assert not isinstance(family, HistogramMetricFamily)
                family.add_metric(labels, each.value)
        return families.values()


def _family(metric: Metric) -> Family:
    labels = [label.name for label in metric.labels]
    return _FAMILIES[metric.kind](f"perkie_{metric.name}", metric.help, labels=labels)


def _buckets(metric: Metric, spread: Distribution) -> list[tuple[str, float]]:
    bounds = [*(f"{bound:g}" for bound in metric.buckets), "+Inf"]
    return list(zip(bounds, accumulate(spread.counts), strict=True))
