"""google.monitoring.v3.MetricService for custom metrics: what Google writes, refuses and gives back.

https://docs.cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/create,
https://docs.cloud.google.com/monitoring/quotas
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.api import metric_pb2
from google.cloud.monitoring_v3.types import metric as metric_types
from google.cloud.monitoring_v3.types import metric_service as messages
from google.protobuf.empty_pb2 import Empty
from google.rpc import status_pb2

from perkie_cli.emulators.monitoring.calls import Call
from perkie_cli.emulators.rpc_server import Refused, invalid
from perkie_cli.ports import Clock

MOST_SERIES = 200  # in one call
LEAST_PERIOD = timedelta(seconds=5)  # between two points of a series
OLDEST, LATEST = timedelta(hours=25), timedelta(minutes=5)
CUSTOM = ("custom.googleapis.com/", "workload.googleapis.com/")
RESOURCES: Mapping[str, frozenset[str]] = {
    "global": frozenset({"project_id"}),
    "generic_node": frozenset({"project_id", "location", "namespace", "node_id"}),
    "generic_task": frozenset({"project_id", "location", "namespace", "job", "task_id"}),
}
PAGE = 1000
DETAILS = "grpc-status-details-bin"  # the trailer in which Google's clients look for a google.rpc.Status
_KIND = metric_pb2.MetricDescriptor.MetricKind
_TYPE = metric_pb2.MetricDescriptor.ValueType
_VALUES = {
    "bool_value": _TYPE.BOOL,
    "int64_value": _TYPE.INT64,
    "double_value": _TYPE.DOUBLE,
    "string_value": _TYPE.STRING,
    "distribution_value": _TYPE.DISTRIBUTION,
}
_OLDER = (
    "Points must be written in order. One or more of the points specified had an older {} time than the most recent "
    "point."
)
_TOO_OFTEN = (
    "One or more points were written more frequently than the maximum sampling period configured for the metric."
)
_TERM = re.compile(r'\s*([a-z_.]+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*')

Identity = tuple[str, tuple[tuple[str, str], ...], str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Series:
    """One series with all its points, the oldest first; messages of the protocol."""

    metric: Any
    resource: Any
    kind: int
    points: list[Any] = field(default_factory=list)


class TimeSeries:
    """The service, and what was written to it."""

    name = "google.monitoring.v3.MetricService"

    def __init__(self, clock: Clock) -> None:
        self.series: dict[Identity, Series] = {}
        self.descriptors: dict[str, Any] = {}
        self._clock = clock

    def calls(self) -> Mapping[str, Call]:
        """The emulated calls."""
        return {
            "CreateTimeSeries": Call(messages.CreateTimeSeriesRequest.pb(), self._create),
            "ListTimeSeries": Call(messages.ListTimeSeriesRequest.pb(), self._list),
            "CreateMetricDescriptor": Call(messages.CreateMetricDescriptorRequest.pb(), self._describe),
            "ListMetricDescriptors": Call(messages.ListMetricDescriptorsRequest.pb(), self._descriptors),
        }

    async def _create(self, request: Any) -> Any:
        """Writes every series that follows the rules; the answer names those that do not."""
        given = request.time_series
        if not 1 <= len(given) <= MOST_SERIES:
            raise invalid(
                f"Field timeSeries had an invalid value: it has {len(given)} entries, and 1 to 200 are allowed."
            )
        failed: dict[str, list[int]] = {}
        seen: set[Identity] = set()
        for number, each in enumerate(given):
            try:
                self._write(each, seen)
            except Refused as refused:
                failed.setdefault(refused.message, []).append(number)
        if failed:
            raise _partly(failed, len(given))
        return Empty()

    def _write(self, given: Any, seen: set[Identity]) -> None:
        identity = _identity(given)
        if identity in seen:
            raise invalid("Duplicate TimeSeries encountered. Only one point can be written per TimeSeries per request.")
        seen.add(identity)
        if len(given.points) != 1:
            raise invalid("Only one point can be written per TimeSeries per request.")
        point = given.points[0]
        self._check_place(given)
        descriptor = self._descriptor(given, point)
        self._check_time(point.interval, descriptor.metric_kind)
        kept = self.series.get(identity)
        if kept is not None:
            _check_order(kept.points[-1].interval, point.interval, kept.kind)
        elif descriptor.type not in self.descriptors:
            self.descriptors[descriptor.type] = descriptor
        if kept is None:
            kept = self.series[identity] = Series(given.metric, given.resource, descriptor.metric_kind)
        kept.points.append(point)

    @staticmethod
    def _check_place(given: Any) -> None:
        if not given.metric.type.startswith(CUSTOM):
            raise invalid(f"The metric type must be a custom one, but is {given.metric.type!r}.")
        wanted = RESOURCES.get(given.resource.type)
        if wanted is None:
            raise invalid(f"Unrecognized monitored resource type for custom metrics: {given.resource.type!r}.")
        if set(given.resource.labels) != wanted:
            raise invalid(f"The set of resource labels for {given.resource.type} must be {', '.join(sorted(wanted))}.")

    def _descriptor(self, given: Any, point: Any) -> Any:
        """The metric's descriptor, made of the first point that is written."""
        value = _VALUES.get(point.value.WhichOneof("value") or "")
        if value is None:
            raise invalid("Field points[0].value is missing.")
        kind = given.metric_kind or _KIND.GAUGE
        known = self.descriptors.get(given.metric.type)
        if known is None:
            known = metric_pb2.MetricDescriptor(type=given.metric.type, metric_kind=kind, value_type=value)
        if (kind, value) != (known.metric_kind, known.value_type):
            names = _KIND.Name(known.metric_kind), _TYPE.Name(known.value_type), _KIND.Name(kind), _TYPE.Name(value)
            raise invalid("Metric kind and value type must be {}, {}, but are {}, {}.".format(*names))
        if value == _TYPE.DISTRIBUTION:
            _check_distribution(point.value.distribution_value)
        for label in given.metric.labels:
            if label not in {each.key for each in known.labels}:
                known.labels.add(key=label)
        return known

    def _check_time(self, interval: Any, kind: int) -> None:
        end, start = _time(interval.end_time), _time(interval.start_time)
        now = self._clock.now()
        if end > now + LATEST:
            raise invalid("Data points cannot be written more than 5 minutes in the future.")
        if end < now - OLDEST:
            raise invalid("Data points cannot be written more than 25h in the past.")
        if kind == _KIND.CUMULATIVE and not start < end:
            raise invalid("The start time must be before the end time for the cumulative metric.")
        if kind == _KIND.GAUGE and interval.HasField("start_time") and start != end:
            raise invalid("The start time must be equal to the end time for the gauge metric.")

    async def _list(self, request: Any) -> Any:
        if request.HasField("aggregation"):
            raise Refused(grpc.StatusCode.UNIMPLEMENTED, "Aggregation is not emulated by perkie.")
        terms = _terms(request.filter)
        first, last = _time(request.interval.start_time), _time(request.interval.end_time)
        found = [each for each in self.series.values() if _fits(each, terms)]
        start = int(request.page_token or 0)
        size = request.page_size or PAGE
        answer = messages.ListTimeSeriesResponse.pb()()
        for each in found[start : start + size]:
            points = [point for point in each.points if first <= _time(point.interval.end_time) <= last]
            if points:
                answer.time_series.append(self._shown(each, points, full=request.view == 0))
        if start + size < len(found):
            answer.next_page_token = str(start + size)
        return answer

    def _shown(self, series: Series, points: Sequence[Any], *, full: bool) -> Any:
        shown = metric_types.TimeSeries.pb()(metric=series.metric, resource=series.resource, metric_kind=series.kind)
        shown.value_type = self.descriptors[series.metric.type].value_type
        if full:
            shown.points.extend(reversed(points))  # the newest first
        return shown

    async def _describe(self, request: Any) -> Any:
        wanted = request.metric_descriptor
        known = self.descriptors.get(wanted.type)
        if known is not None and (known.metric_kind, known.value_type) != (wanted.metric_kind, wanted.value_type):
            raise invalid("Cannot change the kind or the value type of an existing metric.")
        self.descriptors[wanted.type] = wanted
        return wanted

    async def _descriptors(self, request: Any) -> Any:
        """Those whose type begins with the filter's text, as in ``metric.type = starts_with("custom…")``."""
        beginning = re.search(r'"([^"]*)"', request.filter)
        answer = messages.ListMetricDescriptorsResponse.pb()()
        for name, each in sorted(self.descriptors.items()):
            if beginning is None or name.startswith(beginning[1]):
                answer.metric_descriptors.append(each)
        return answer


def _identity(given: Any) -> Identity:
    metric, resource = given.metric, given.resource
    return metric.type, tuple(sorted(metric.labels.items())), resource.type, tuple(sorted(resource.labels.items()))


def _check_order(before: Any, now: Any, kind: int) -> None:
    """Ends only grow; a cumulative start stays, or is later than the last end (a reset)."""
    if _time(now.end_time) <= _time(before.end_time):
        raise invalid(_OLDER.format("end"))
    is_reset = kind == _KIND.CUMULATIVE and _time(now.start_time) != _time(before.start_time)
    if is_reset and _time(now.start_time) < _time(before.end_time):
        raise invalid(_OLDER.format("start"))
    if _time(now.end_time) - _time(before.end_time) < LEAST_PERIOD:
        raise invalid(_TOO_OFTEN)


def _check_distribution(given: Any) -> None:
    bounds = list(given.bucket_options.explicit_buckets.bounds)
    if bounds != sorted(set(bounds)):
        raise invalid("The bounds of explicit buckets must be monotonically increasing.")
    if bounds and len(given.bucket_counts) > len(bounds) + 1:
        raise invalid("The number of bucket counts must not be larger than the number of buckets.")
    if given.bucket_counts and sum(given.bucket_counts) != given.count:
        raise invalid("The sum of the bucket counts must be equal to the count of the distribution.")


def _partly(failed: Mapping[str, Sequence[int]], total: int) -> Refused:
    """As Google puts it: one sentence for each rule with the series that break it, and a summary in the details."""
    count = sum(map(len, failed.values()))
    told = "; ".join(f"{message}: timeSeries[{','.join(map(str, numbers))}]" for message, numbers in failed.items())
    summary = messages.CreateTimeSeriesSummary.pb()(total_point_count=total, success_point_count=total - count)
    code = grpc.StatusCode.INVALID_ARGUMENT
    for message, numbers in failed.items():
        summary.errors.add(status=status_pb2.Status(code=code.value[0], message=message), point_count=len(numbers))
    refusal = f"One or more TimeSeries could not be written: {told}"
    status = status_pb2.Status(code=code.value[0], message=refusal)
    status.details.add().Pack(summary)
    return Refused(code, refusal, [(DETAILS, status.SerializeToString())])


def _terms(text: str) -> list[tuple[str, str]]:
    """``metric.type = "x" AND resource.labels.job = "y"`` as pairs. Raises: Refused."""
    terms = []
    for part in re.split(r"\s+AND\s+", text.strip()):
        match = _TERM.fullmatch(part)
        if match is None:
            raise invalid(f"The provided filter was not understood by this emulator: {part!r}")
        terms.append((match[1], re.sub(r"\\(.)", r"\1", match[2])))
    if "metric.type" not in dict(terms):
        raise invalid("The filter must specify a single metric type.")
    return terms


def _fits(series: Series, terms: Sequence[tuple[str, str]]) -> bool:
    return all(value in _values(series, name) for name, value in terms)


def _values(series: Series, name: str) -> Iterator[str]:
    of, _, rest = name.partition(".")
    thing = series.metric if of == "metric" else series.resource
    if rest == "type":
        yield thing.type
    elif (label := rest.removeprefix("labels.").removeprefix("label.")) in thing.labels:
        yield thing.labels[label]


def _time(given: Any) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=given.seconds, microseconds=given.nanos // 1000)
