"""The values of all metrics of this process, aggregated: one place for Prometheus and for Cloud Monitoring."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from perkie_cli.domain.frozen import frozen
from perkie_cli.telemetry.catalogue import CATALOGUE, Kind, Metric, Values

Labels = tuple[str, ...]  # the values, in the order of the metric's labels


@dataclass(slots=True)
class Distribution:
    """How many values were in each bucket, the last one without an upper bound; their sum."""

    counts: list[int]
    sum: float = 0.0
    squares: float = 0.0  # of the values

    @property
    def count(self) -> int:
        """How many values."""
        return sum(self.counts)

    def now(self) -> Distribution:
        """A copy."""
        return Distribution(list(self.counts), self.sum, self.squares)


@frozen
class Reading:
    """One series as it is now."""

    metric: Metric
    labels: Mapping[str, str]
    value: float | Distribution


@dataclass(slots=True)
class _Number:
    value: float = 0

    def now(self) -> float:
        return self.value


class _Family:
    """The series of one metric, by the values of their labels."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.series: dict[Labels, Any] = {}
        self._bounded = [Values(label) for label in metric.labels]

    def kept(self, given: Labels) -> Any:
        """The series of labels that have none under their own name yet: a new one, or that of ``other``."""
        key = tuple(values.bounded(value) for values, value in zip(self._bounded, given, strict=True))
        if key not in self.series:
            spread = self.metric.kind is Kind.DISTRIBUTION
            self.series[key] = Distribution([0] * (len(self.metric.buckets) + 1)) if spread else _Number()
        return self.series[key]


class Measures:
    """Adds up. From any thread; labels are positional, in the order of the catalogue."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._families = {name: _Family(metric) for name, metric in CATALOGUE.items()}

    def add(self, name: str, *labels: str, by: float = 1) -> None:
        """Raises a counter, or moves a gauge."""
        family = self._families[name]
        with self._lock:
            (family.series.get(labels) or family.kept(labels)).value += by

    def set(self, name: str, *labels: str, to: float) -> None:
        """Sets a gauge."""
        family = self._families[name]
        with self._lock:
            (family.series.get(labels) or family.kept(labels)).value = to

    def observe(self, name: str, *labels: str, value: float) -> None:
        """Adds a value to a distribution. A value on a bound belongs to the bucket that ends there."""
        family = self._families[name]
        with self._lock:
            spread = family.series.get(labels) or family.kept(labels)
            spread.counts[bisect_left(family.metric.buckets, value)] += 1
            spread.sum += value
            spread.squares += value * value

    def read(self) -> Iterator[Reading]:
        """Every series that has a value, as it is now, in the order of the catalogue."""
        for family in self._families.values():
            names = [label.name for label in family.metric.labels]
            with self._lock:
                now = [(key, each.now()) for key, each in family.series.items()]
            for key, value in now:
                yield Reading(family.metric, dict(zip(names, key, strict=True)), value)
