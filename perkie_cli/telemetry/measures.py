"""The values of all metrics of this process, aggregated: one place for Prometheus and for Cloud Monitoring."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from perkie_cli.telemetry.catalogue import CATALOGUE, Metric, Values

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

    def copy(self) -> Distribution:
        """As it is now."""
        return Distribution(list(self.counts), self.sum, self.squares)


@dataclass(frozen=True, slots=True)
class Reading:
    """One series as it is now."""

    metric: Metric
    labels: Mapping[str, str]
    value: float | Distribution


@dataclass(slots=True)
class _Family:
    metric: Metric
    bounded: tuple[Values, ...]
    numbers: dict[Labels, float] = field(default_factory=dict)
    spread: dict[Labels, Distribution] = field(default_factory=dict)
    known: dict[Labels, Labels] = field(default_factory=dict)  # as given: as counted

    def key(self, given: Labels) -> Labels:
        if (found := self.known.get(given)) is not None:
            return found
        key = tuple(values.bounded(value) for values, value in zip(self.bounded, given, strict=True))
        if key == given:  # what became ``other`` is not remembered: there may be any number of it
            self.known[given] = key
        return key


class Measures:
    """Adds up. From any thread; labels are positional, in the order of the catalogue."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._families = {
            name: _Family(metric, tuple(Values(label) for label in metric.labels)) for name, metric in CATALOGUE.items()
        }

    def add(self, name: str, *labels: str, by: float = 1) -> None:
        """Raises a counter."""
        family = self._families[name]
        with self._lock:
            key = family.key(labels)
            family.numbers[key] = family.numbers.get(key, 0) + by

    def set(self, name: str, *labels: str, to: float) -> None:
        """Sets a gauge."""
        family = self._families[name]
        with self._lock:
            family.numbers[family.key(labels)] = to

    def observe(self, name: str, *labels: str, value: float) -> None:
        """Adds a value to a distribution. A value on a bound belongs to the bucket that ends there."""
        family = self._families[name]
        with self._lock:
            key = family.key(labels)
            spread = family.spread.get(key)
            if spread is None:
                spread = family.spread[key] = Distribution([0] * (len(family.metric.buckets) + 1))
            spread.counts[bisect_left(family.metric.buckets, value)] += 1
            spread.sum += value
            spread.squares += value * value

    def read(self) -> Iterator[Reading]:
        """Every series that has a value, as it is now, in the order of the catalogue."""
        for family in self._families.values():
            names = [label.name for label in family.metric.labels]
            with self._lock:
                now: list[tuple[Labels, float | Distribution]] = list(family.numbers.items())
                now += [(key, each.copy()) for key, each in family.spread.items()]
            for key, value in now:
                yield Reading(family.metric, dict(zip(names, key, strict=True)), value)
