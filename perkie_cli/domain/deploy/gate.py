"""Is the new revision good enough? A rule allows a share of bad answers, and is judged by exact binomial tests.

No failure among n answers excludes a failure rate above 3/n with 95 % confidence (the rule of three), so few answers
prove nothing in either direction. Unhealthy beats inconclusive, inconclusive beats healthy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from math import exp, lgamma, log, log1p

from perkie_cli.domain.frozen import frozen

_NEVER = -700.0  # a logarithm whose number is as good as 0
NOT_CUSTOMERS = frozenset({"/health", "/ready", "/metrics", "/warmup", "unmatched"})  # routes
DOUBT = 0.05  # one wrong alarm in twenty holds of a revision that is just at its limit


class Health(StrEnum):
    """A verdict."""

    HEALTHY = "healthy"
    INCONCLUSIVE = "inconclusive"
    UNHEALTHY = "unhealthy"


@frozen
class Rule:
    """At most ``allowed`` (a share) of the answers may be bad: failed, or not given within ``seconds``.

    ``route``: only answers of this route; all that customers ask for if it is empty. ``text``: the service level.
    ``asked``: the gate itself asks and counts, so the answers are never old, and one good one is enough.
    """

    name: str
    text: str
    allowed: float
    seconds: float | None = None
    route: str = ""
    asked: bool = False


ANSWERING = Rule("answering", "at its own address", 0.05, asked=True)
"""A revision that does not answer at all has no metrics to be judged by."""


@frozen
class Counts:
    """``bad`` of ``total`` answers."""

    bad: float = 0
    total: float = 0

    @property
    def share(self) -> float:
        """0 without answers."""
        return self.bad / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.bad:g} of {self.total:g}"

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.bad + other.bad, self.total + other.total)


@frozen
class Sample:
    """What one revision answered, by rule. ``age`` in seconds since it was measured; None if it never was."""

    counts: Mapping[str, Counts] = field(default_factory=dict)
    age: float | None = None


@frozen
class Finding:
    """The verdict on one rule. ``shared``: the old revision is no better, so that going back would mend nothing."""

    rule: Rule
    health: Health
    new: Counts
    old: Counts
    why: str
    shared: bool = False
    age: float | None = None  # seconds since the new one's answers were counted; None: never

    def __str__(self) -> str:
        aged = "" if self.age is None else f" ({self.age:.0f} s ago)"
        return (
            f"{self.rule.name} ({self.rule.text}): {self.health}; bad: new {self.new}{aged}, old {self.old}; {self.why}"
        )


@frozen
class Demands:
    """``least``: answers that are needed to call it healthy; ``stale``: seconds of age that are too many.

    ``looks``: how often it is judged in all. Who looks often meets chance often: each look has its part of ``DOUBT``.
    """

    least: int
    stale: float
    looks: int = 1

    @property
    def doubt(self) -> float:
        """The probability of chance below which it is called none."""
        return DOUBT / max(1, self.looks)


def judge(rules: Iterable[Rule], new: Sample, old: Sample, demands: Demands) -> Sequence[Finding]:
    """One finding a rule."""
    return [replace(_judge(rule, new, old, demands), age=new.age) for rule in rules]


def _judge(rule: Rule, new: Sample, old: Sample, demands: Demands) -> Finding:
    counts, beside = new.counts.get(rule.name, Counts()), old.counts.get(rule.name, Counts())
    if not rule.asked and (new.age is None or new.age > demands.stale):
        age = "no data" if new.age is None else f"data are {new.age:.0f} s old"
        return Finding(rule, Health.INCONCLUSIVE, counts, beside, age)
    if at_least(counts, rule.allowed) < demands.doubt:
        if beside.share > rule.allowed and worse(counts, beside) >= demands.doubt:
            return Finding(rule, Health.INCONCLUSIVE, counts, beside, "the old revision suffers too", shared=True)
        return Finding(rule, Health.UNHEALTHY, counts, beside, f"more than the {rule.allowed:.3g} that are allowed")
    least = 1 if rule.asked else demands.least
    if counts.total < least:
        return Finding(rule, Health.INCONCLUSIVE, counts, beside, f"fewer than {least} answers")
    if counts.share > rule.allowed:
        return Finding(rule, Health.INCONCLUSIVE, counts, beside, "above its limit, but it may be chance")
    return Finding(rule, Health.HEALTHY, counts, beside, "within its limit")


def overall(findings: Sequence[Finding]) -> Health:
    """The worst of them; nothing at all is inconclusive."""
    found = {finding.health for finding in findings}
    for health in (Health.UNHEALTHY, Health.INCONCLUSIVE):
        if health in found:
            return health
    return Health.HEALTHY if found else Health.INCONCLUSIVE


def at_least(counts: Counts, allowed: float) -> float:
    """The probability of this many bad answers or more, if the true share were ``allowed`` (binomial, exact)."""
    bad, total = round(counts.bad), round(counts.total)
    if bad <= 0 or allowed >= 1:
        return 1.0
    if allowed <= 0:
        return 0.0

    def term(each: int) -> float:
        return _choose(total, each) + each * log(allowed) + (total - each) * log1p(-allowed)

    if bad > total * allowed and term(bad) < _NEVER:  # beyond the peak they only get smaller
        return 0.0
    return min(1.0, _sum(exp(term(each)) for each in range(bad, total + 1)))


def worse(new: Counts, old: Counts) -> float:
    """The probability of this difference or more if both were equally good (Fisher's exact test, one side)."""
    bad, total = round(new.bad), round(new.total)
    all_bad, whole = bad + round(old.bad), total + round(old.total)
    most = min(all_bad, total)
    logs = (
        _choose(all_bad, each) + _choose(whole - all_bad, total - each) - _choose(whole, total)
        for each in range(bad, most + 1)
        if total - each <= whole - all_bad
    )
    return min(1.0, _sum(map(exp, logs)))


def _sum(terms: Iterable[float]) -> float:
    """The sum; ends where nothing more is added behind the peak."""
    total, before = 0.0, 0.0
    for term in terms:
        total += term
        if term < before and term < total * 1e-12:
            break
        before = term
    return total


def _choose(n: int, k: int) -> float:
    """The logarithm of the binomial coefficient."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
