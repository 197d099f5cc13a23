"""Thresholds: ``p95<15s``, ``share_below_15s>0.95``, ``error_rate<2%``, ``hit_rate>60%``; and whether they hold."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.units import format_duration, parse_duration

_RULE = re.compile(r"\s*([a-z_]+(?:[\d.]+\w*)?)\s*(<=|>=|<|>)\s*(\S+(?: \S+)?)\s*")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")
_SHARE = re.compile(r"share_below_(\S+)")
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TIMES = ("min", "mean", "max")
SHARES = ("error_rate", "hit_rate", "degraded_rate")
METRICS = "p50 … p99.9, min, mean, max, share_below_TIME, error_rate, hit_rate, degraded_rate, rate"


class Measured(Protocol):
    """What a threshold is judged by."""

    def quantile(self, share: float) -> float | None:
        """Seconds; None while there is no answer."""

    def share_below(self, seconds: float) -> float | None:
        """Of all finished requests, those answered well in less than ``seconds``."""

    def figure(self, name: str) -> float | None:
        """One of ``TIMES``, ``SHARES`` or ``rate``; None while there is nothing to measure."""


@frozen
class Threshold:
    """One rule. ``call`` and ``phase`` narrow it to requests of that name or part of the schedule.

    ``abort_on_fail``: the run ends once the rule does not hold, ``after`` seconds of measuring at the earliest.
    """

    rule: str
    metric: str
    sign: str
    bound: float  # seconds or a share
    call: str = ""
    phase: str = ""
    abort_on_fail: bool = False
    after: float = 0.0

    @property
    def name(self) -> str:
        """``p95<15s of generate``."""
        within = ", ".join(part for part in (self.call, self.phase) if part)
        return f"{self.rule} of {within}" if within else self.rule

    @property
    def seconds(self) -> float | None:
        """The duration that it is about; None for rates."""
        if share := _SHARE.fullmatch(self.metric):
            return parse_duration(share[1]).total_seconds()
        return self.bound if _is_time(self.metric) else None

    def judge(self, measured: Measured) -> Judgement:
        """Compares; what could not be measured does not hold."""
        value = self._value(measured)
        holds = value is not None and _COMPARE[self.sign](value, self.bound)
        return Judgement(self, value, holds)

    def _value(self, measured: Measured) -> float | None:
        if found := _PERCENTILE.fullmatch(self.metric):
            return measured.quantile(float(found[1]) / 100)
        if found := _SHARE.fullmatch(self.metric):
            return measured.share_below(parse_duration(found[1]).total_seconds())
        return measured.figure(self.metric)


@frozen
class Judgement:
    """A threshold and the measured value."""

    threshold: Threshold
    value: float | None
    holds: bool

    @property
    def shown(self) -> str:
        """The value for people."""
        if self.value is None:
            return "nothing measured"
        if _is_time(self.threshold.metric):
            return short_duration(self.value)
        return f"{self.value:.4g}/s" if self.threshold.metric == "rate" else f"{self.value * 100:.4g} %"


def short_duration(seconds: float) -> str:
    """``6.6 ms``, ``1.72 s``, ``4 min``."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else format_duration(seconds)


def parse_rule(text: str) -> tuple[str, str, float]:
    """Metric, sign and bound of a rule.

    Raises: InvalidParameter.
    """
    match = _RULE.fullmatch(text)
    if match is None or not _known(match[1]):
        raise InvalidParameter(
            f"{text!r} is not a threshold such as 'p95<15s' or 'error_rate<2%'", hint=f"Metrics: {METRICS}."
        )
    metric, sign, bound = match.groups()
    try:
        value = parse_duration(bound).total_seconds() if _is_time(metric) else _number(bound, share=metric != "rate")
    except ValueError as error:
        raise InvalidParameter(f"{text!r}: {error}") from error
    return metric, sign, value


def _known(metric: str) -> bool:
    if share := _SHARE.fullmatch(metric):
        try:
            return parse_duration(share[1]).total_seconds() > 0
        except ValueError:
            return False
    return _is_time(metric) or metric in SHARES or metric == "rate"


def _is_time(metric: str) -> bool:
    return metric in TIMES or _PERCENTILE.fullmatch(metric) is not None


def _number(text: str, *, share: bool) -> float:
    percent = text.endswith("%")
    try:
        value = float(text.removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if share and not 0 <= value <= 1:
        raise ValueError(f"{text!r} is not between 0 and 1, or 0 % and 100 %")
    if not 0 <= value < float("inf"):
        raise ValueError(f"{text!r} is not a number from 0 up")
    return value
