"""What the service promises and when somebody is told: the content of ``slo.yaml``, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from perkie_cli.domain.frozen import frozen

SHORT = 12  # the short window of a burn rate is the long one divided by this (SRE workbook, chapter 5)


class Severity(StrEnum):
    """Who is told, and how soon."""

    PAGE = "page"  # somebody gets up
    TICKET = "ticket"  # somebody looks in working hours


class Reading(StrEnum):
    """What becomes of the series of a condition."""

    COUNT = "count"  # how much was added in the window, all servers together
    RATIO = "ratio"  # what was added of one, over what was added of the other
    GAUGE = "gauge"  # the value now
    PERCENTILE = "percentile"  # of a distribution, over the window
    UPTIME = "uptime"  # the share of failed checks of the uptime check


class Side(StrEnum):
    """On which side of the threshold it is bad."""

    ABOVE = "above"
    BELOW = "below"


class Across(StrEnum):
    """How a gauge's series of several servers become one."""

    MAX = "max"
    SUM = "sum"


@frozen
class Series:
    """Series of one metric. ``labels``: allowed values by label; one that ends in ``*`` is a beginning.

    ``under``: of a distribution, only values up to this (in the metric's unit).
    """

    metric: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    under: float | None = None


@frozen
class Indicator:
    """The share of good events in ``total``. ``part`` are the good ones, or with ``counts_bad`` the bad ones."""

    name: str
    title: str
    part: Series
    total: Series
    counts_bad: bool = False

    @property
    def under(self) -> float | None:
        """For an indicator of durations: good is what took no longer, in seconds."""
        return self.part.under


@frozen
class Burn:
    """Tells when the error budget burns ``factor`` times too fast over ``window`` seconds and its twelfth.

    ``least``: and more than so many events happened in the window.
    """

    name: str
    title: str
    severity: Severity
    runbook: str
    summary: str
    factor: float
    window: float
    least: int
    line: int

    @property
    def short(self) -> float:
        """The short window in seconds, whole minutes: it ends the alert soon after the failures end."""
        return max(60.0, self.window // SHORT // 60 * 60)


@frozen
class Objective:
    """A service level: ``target`` of the indicator's events are good, over ``days`` days."""

    name: str
    title: str
    service: str
    indicator: Indicator
    target: float
    days: int
    burns: tuple[Burn, ...]
    summary: str
    line: int


@frozen
class Condition:
    """What is compared. Windows are in seconds, a ratio's threshold is a share.

    ``least``: and more than so many events of ``series`` happened in the window. It counts the bad ones, since an open
    breaker lets few events of any kind through.
    """

    reading: Reading
    series: Series
    side: Side
    threshold: float
    window: float
    lasting: float = 0.0
    total: Series | None = None
    least: int = 0
    percentile: int = 0
    across: Across = Across.MAX


@frozen
class Alert:
    """A threshold that tells somebody."""

    name: str
    title: str
    severity: Severity
    runbook: str
    summary: str
    condition: Condition
    line: int


@frozen
class Service:
    """A service that promises something."""

    name: str
    title: str
    summary: str


@frozen
class ServiceLevels:
    """Everything of one file; ``source`` is what errors call it.

    ``load_rules``: thresholds of load tests by name, as ``loadtest.thresholds`` reads them.
    """

    source: str
    services: tuple[Service, ...]
    objectives: tuple[Objective, ...]
    alerts: tuple[Alert, ...]
    load_rules: Mapping[str, str]

    @property
    def runbooks(self) -> Mapping[str, str]:
        """The runbook of everything that can tell somebody, by the name of its alert policy."""
        burns = {f"{each.name}-{burn.name}": burn.runbook for each in self.objectives for burn in each.burns}
        return burns | {each.name: each.runbook for each in self.alerts}
