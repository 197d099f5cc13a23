"""Every metric of perkie in one table. Prometheus, Cloud Monitoring, alerts, dashboards and docs/metrics.md read it.

No label can take any text that a client sends: its values are listed, or come from a set of ours (routes, styles,
models, error codes). What is not in the list, and what comes after ``MOST_VALUES`` of a set, is counted as ``other``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.pictures.result import CacheOutcome

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 35, 60, 150)
"""Upper bounds of buckets in seconds. Every threshold of a service level is one: between bounds is guesswork."""

MOST_VALUES = 60
OTHER = "other"


class Kind(StrEnum):
    """What is measured."""

    COUNTER = "counter"  # only grows while the process lives
    GAUGE = "gauge"  # the value now
    DISTRIBUTION = "distribution"  # how many values were in each bucket


@frozen
class Label:
    """``values`` are all there are; empty: a set of ours, which ``meaning`` names."""

    name: str
    values: tuple[str, ...] = ()
    meaning: str = ""


@frozen
class Metric:
    """``unit`` is UCUM, as in Cloud Monitoring: ``1``, ``s``, ``By``, ``{USD}``."""

    name: str
    kind: Kind
    help: str
    labels: tuple[Label, ...] = ()
    unit: str = "1"
    buckets: tuple[float, ...] = ()

    @property
    def in_prometheus(self) -> str:
        """``perkie_requests_total``; of a distribution the name without ``_bucket``, ``_sum`` and ``_count``."""
        return f"perkie_{self.name}{'_total' * (self.kind is Kind.COUNTER)}"

    @property
    def in_monitoring(self) -> str:
        """The metric type in Cloud Monitoring."""
        return f"custom.googleapis.com/perkie/{self.name}"


_CODES = "`ok`, `degraded`, `cancelled` or the code of an error"
_REASON = Label("reason", meaning="code of an error")
_STYLE = Label("style", meaning="id of a style")
_ENGINE = Label("engine", meaning="name of an engine")
_MODEL = Label("model", meaning="id of a model")
_METHOD = Label("method", ("GET", "HEAD", "POST", "OPTIONS", "WS"))
_UPSTREAM = Label("upstream", ("gemini", "matting"))
_CACHE = Label("cache", tuple(CacheOutcome))
_OUTCOME = Label("outcome", meaning=_CODES)
_FOUND = Label("outcome", tuple(CacheOutcome))
_ROUTE = Label("route", meaning="path of a route, or `unmatched`")
_STORE = Label("store", ("disk", "gs", "sqlite", "firestore", "memory", "ledger", "monitoring", "traces"))
_WORK = Label("work", ("drawing", "cutting_out"))
_TIER = Label("tier", ("customer", "session", "ip"))


def _seconds(name: str, text: str, *labels: Label) -> Metric:
    return Metric(name, Kind.DISTRIBUTION, text, labels, "s", SECONDS)


def _count(name: str, text: str, *labels: Label, unit: str = "1") -> Metric:
    return Metric(name, Kind.COUNTER, text, labels, unit)


def _gauge(name: str, text: str, *labels: Label, unit: str = "1") -> Metric:
    return Metric(name, Kind.GAUGE, text, labels, unit)


_ROWS = (
    _count("requests", "Answers over HTTP.", _METHOD, _ROUTE, Label("status", meaning="HTTP status")),
    _seconds("request_seconds", "Time to the last byte of an answer.", _ROUTE),
    _gauge("requests_in_flight", "Requests being answered."),
    _count("pictures", "Pictures that were asked for.", _STYLE, _ENGINE, _CACHE, _OUTCOME),
    _seconds("picture_seconds", "Time to a picture, substitutes included; failures aside.", _CACHE),
    _count("cutouts", "Cut-outs that were asked for.", _ENGINE, _CACHE, _OUTCOME),
    _seconds("cutout_seconds", "Time to a cut-out; failures aside.", _CACHE),
    _count("degraded", "Substitutes, by the step of the ladder and the cause.",
           Label("step", ("older", "local", "builtin")), _REASON),
    _count("cache_lookups", "Look-ups in the cache; a drawn picture takes two or three.", _FOUND),
    _seconds("cache_seconds", "Time of a look-up.", _FOUND),
    _count("upstream_calls", "Attempts upstream, and those spared by the open breaker or a known refusal.",
           _UPSTREAM, _OUTCOME),
    _seconds("upstream_seconds", "The upstream's part of an attempt.", _UPSTREAM),
    _count("upstream_retries", "Further attempts, by the cause.", _UPSTREAM, _REASON),
    _count("tokens", "Tokens of paid calls.", _MODEL, Label("direction", ("input", "output"))),
    _count("spent_usd", "Dollars; possible ones are of calls whose outcome is unknown.",
           _MODEL, Label("certainty", ("billed", "possible")), unit="{USD}"),
    _gauge("spend_today_usd", "Dollars of today (UTC), by the ledger of all servers.", unit="{USD}"),
    _gauge("spend_cap_share", "Today's dollars as a share of gemini.daily_cap_usd."),
    _gauge("spend_over_average", "Today's dollars over the mean of the last seven days; 0 without one."),
    _gauge("upstream_quota_share", "Used share of our limit on the upstream's quota.",
           _UPSTREAM, Label("quota", ("calls_per_minute", "tokens_per_minute", "calls_per_day", "concurrent"))),
    _gauge("breaker_state", "0 closed, 1 half-open, 2 open.", _UPSTREAM),
    _count("breaker_openings", "Times that a breaker opened: it was closed (`faults`), or a probe failed (`probe`).",
           _UPSTREAM, Label("cause", ("faults", "probe"))),
    _count("breaker_open_seconds", "Time that a breaker was not closed.", _UPSTREAM, unit="s"),
    _count("quota_uses", "Pictures of the customers' quota.",
           _TIER, Label("outcome", ("reserved", "committed", "released", "refused"))),
    _count("rate_refusals", "Requests over a rate limit.", Label("limit", ("ip", "session"))),
    _count("store_failures", "Operations of a store that failed; transactions too.",
           _STORE, Label("operation", meaning="read, write, reserve, …")),
    _count("uploads", "Uploaded photos; `known` ones were stored already.",
           Label("outcome", ("stored", "known", "failed"))),
    _seconds("upload_seconds", "Time to store an upload."),
    _gauge("queue_waiting", "Pictures that wait for a core or memory.", _WORK),
    _seconds("queue_seconds", "How long they waited.", _WORK),
    _count("queue_refusals", "Pictures that were refused because they would come too late.", _WORK),
    _seconds("start_seconds", "From the start of the process to listening, and until it is warm.",
             Label("phase", ("listening", "warm"))),
    _gauge("memory_bytes", "Resident memory of the process.", unit="By"),
    _gauge("memory_share", "Memory of the container as a share of its limit; absent without one."),
)  # fmt: skip

CATALOGUE: Mapping[str, Metric] = {each.name: each for each in _ROWS}
"""All metrics by name, in the order of the docs."""


class Values:
    """Keeps the values of one label bounded."""

    def __init__(self, label: Label) -> None:
        self._fixed = bool(label.values)
        self._known = set(label.values)

    def bounded(self, value: str) -> str:
        """``value``, or ``other`` where it is not one of the label's, or one too many."""
        if value in self._known:
            return value
        if self._fixed or len(self._known) >= MOST_VALUES:
            return OTHER
        self._known.add(value)
        return value
