"""What a revision answered, by the series that all its instances write to Cloud Monitoring.

They are written about every minute and may be seen minutes later, so nothing younger than that is missed.
https://docs.cloud.google.com/monitoring/api/v3/latency-n-retention
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import google.auth
import grpc.aio
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.monitoring_v3 import MetricServiceAsyncClient
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcAsyncIOTransport

from perkie_cli.domain.deploy.gate import NOT_CUSTOMERS, Counts, Rule, Sample
from perkie_cli.ports import Clock

EMULATOR = "MONITORING_EMULATOR_HOST"
SCOPE = "https://www.googleapis.com/auth/monitoring.read"
TIMEOUT = 10.0  # seconds
BEFORE = timedelta(
    hours=2
)  # a series that did not change is not written again: where it stood is looked for so far back
_PREFIX = "custom.googleapis.com/perkie"


class MonitoringSamples:
    """See ``ports.RevisionSamples``. The client is made at first use, in the event loop that uses it."""

    lateness = 300.0  # seconds: a minute between two writes, and what Google takes to show them

    def __init__(self, clock: Clock, project: str, environ: Mapping[str, str]) -> None:
        self._clock = clock
        self._project = project
        self._emulator = environ.get(EMULATOR)
        self._credentials: Any = None
        self.trouble: dict[str, str] = {}

    @cached_property
    def _client(self) -> Any:
        if self._emulator is None:
            return MetricServiceAsyncClient(credentials=self._credentials)
        channel = grpc.aio.insecure_channel(self._emulator)
        return MetricServiceAsyncClient(transport=MetricServiceGrpcAsyncIOTransport(channel=channel))

    async def since(self, revision: str, address: str, began: datetime, rules: Sequence[Rule]) -> Sample:
        """See the port."""
        del address
        try:
            await self._log_in()
            series = {each: await self._series(each, revision, began) for each in sorted({*map(_metric, rules)})}
        except (GoogleAPIError, GoogleAuthError) as error:
            self.trouble[revision] = f"Cloud Monitoring: {type(error).__name__}: {str(error)[:200]}"
            return Sample()
        self.trouble.pop(revision, None)
        ends = [_time(point.interval.end_time) for found in series.values() for each in found for point in each.points]
        age = max(0.0, (self._clock.now() - max(ends)).total_seconds()) if ends else None
        return Sample({rule.name: _counts(rule, series[_metric(rule)], began) for rule in rules}, age)

    async def aclose(self) -> None:
        """Closes the connection."""
        if "_client" in vars(self):
            await self._client.transport.close()

    async def _log_in(self) -> None:
        if self._emulator is None and self._credentials is None:
            self._credentials, _ = await asyncio.to_thread(google.auth.default, scopes=[SCOPE])

    async def _series(self, metric: str, revision: str, began: datetime) -> Sequence[Any]:
        pages = await self._client.list_time_series(
            name=f"projects/{self._project}",
            filter=f'metric.type = "{_PREFIX}/{metric}" AND metric.labels.revision = "{revision}"',
            interval={"start_time": began - BEFORE, "end_time": self._clock.now()},
            timeout=TIMEOUT,
            retry=None,
        )
        return [each async for each in pages]


def _metric(rule: Rule) -> str:
    return "requests" if rule.seconds is None else "request_seconds"


def _counts(rule: Rule, series: Sequence[Any], began: datetime) -> Counts:
    return sum((_grown(rule, each, began) for each in series if _is_about(rule, each.metric.labels["route"])), Counts())


def _is_about(rule: Rule, route: str) -> bool:
    return route.endswith(rule.route) if rule.route else route not in NOT_CUSTOMERS


def _grown(rule: Rule, series: Any, began: datetime) -> Counts:
    """What one series has grown by since then: a process's counters begin at 0 with it, so each start counts apart."""
    failed = series.metric.labels.get("status", "").startswith("5")
    total = Counts()
    for points in _by_start(series.points):
        before = [each for each in points if _time(each.interval.end_time) <= began]
        after = [each for each in points if _time(each.interval.end_time) > began]
        if not after:
            continue
        last, first = _value(rule, after[-1].value, failed=failed), Counts()
        if before:
            first = _value(rule, before[-1].value, failed=failed)
        elif _time(after[0].interval.start_time) < began - BEFORE:  # it may have stood anywhere
            first = _value(rule, after[0].value, failed=failed)
        total += Counts(last.bad - first.bad, last.total - first.total)
    return total


def _by_start(points: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The points of each process, the oldest first."""
    found: dict[datetime, list[Any]] = {}
    for point in points:
        found.setdefault(_time(point.interval.start_time), []).append(point)
    for each in found.values():
        yield sorted(each, key=lambda point: _time(point.interval.end_time))


def _value(rule: Rule, value: Any, *, failed: bool) -> Counts:
    if rule.seconds is None:
        count = float(value.int64_value)
        return Counts(count if failed else 0.0, count)
    spread = value.distribution_value
    within = sum(1 for bound in spread.bucket_options.explicit_buckets.bounds if bound <= rule.seconds)
    return Counts(float(spread.count - sum(spread.bucket_counts[:within])), float(spread.count))


def _time(given: Any) -> datetime:
    return datetime.fromtimestamp(given.timestamp(), UTC)
