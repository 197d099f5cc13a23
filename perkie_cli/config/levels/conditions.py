"""Reads when an alert fires: which series, how it is read, and where the limit is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perkie_cli.config.levels.node import Node
from perkie_cli.domain.service_levels import (
    Across,
    Condition,
    Reading,
    Series,
    Side,
)


def series_of(spec: Node) -> Series:
    """A metric, with labels, and with the bound of a histogram's share below it."""
    labels: dict[str, tuple[str, ...]] = {}
    if spec.has("labels"):
        given = spec.mapping("labels")
        labels = {label: given.texts(label) for label in given.fields}
    return Series(spec.text("metric"), labels, _under(spec))


def _under(spec: Node) -> float | None:
    return spec.number("under", 0.001, 86_400) if spec.has("under") else None


def condition_of(node: Node) -> Condition:
    """The condition of an alert of ours."""
    return _READ[Reading(node.one_of("read", list(Reading)))](node)


def _side(node: Node) -> tuple[Side, float]:
    sides = [side for side in Side if node.has(side)]
    if len(sides) != 1:
        node.refuse("", "needs one of above and below")
    return sides[0], node.number(sides[0], 0, 1e12)


def _count(node: Node) -> Condition:
    side, threshold = _side(node)
    return Condition(Reading.COUNT, series_of(node), side, threshold, node.seconds("window"))


def _ratio(node: Node) -> Condition:
    side, threshold = _side(node)
    of = node.mapping("series")
    total = node.mapping("total")
    series, whole = series_of(of), series_of(total)
    of.done()
    total.done()
    window, least = node.seconds("window"), node.count("least", 0)
    return Condition(Reading.RATIO, series, side, threshold, window, total=whole, least=least)


def _gauge(node: Node) -> Condition:
    side, threshold = _side(node)
    across = Across(node.one_of("across", list(Across), Across.MAX))
    return Condition(
        Reading.GAUGE, series_of(node), side, threshold, 60.0, node.seconds("lasting", "0s"), across=across
    )


def _percentile(node: Node) -> Condition:
    side, threshold = _side(node)
    percentile = int(node.one_of("percentile", ("50", "95", "99")))
    least = node.count("least", 0)
    window = node.seconds("window")
    return Condition(Reading.PERCENTILE, series_of(node), side, threshold, window, least=least, percentile=percentile)


def _uptime(node: Node) -> Condition:
    return Condition(Reading.UPTIME, Series(""), Side.ABOVE, 0.5, node.seconds("lasting"), node.seconds("lasting"))


_READ: Mapping[Reading, Callable[[Node], Condition]] = {
    Reading.COUNT: _count,
    Reading.RATIO: _ratio,
    Reading.GAUGE: _gauge,
    Reading.PERCENTILE: _percentile,
    Reading.UPTIME: _uptime,
}
