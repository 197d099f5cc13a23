"""Cloud Monitoring by Google's own clients. Only this module knows them; they take seconds to import."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import grpc.aio
from google.api import metric_pb2
from google.api_core import exceptions
from google.api_core.retry import AsyncRetry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud import monitoring_dashboard_v1, monitoring_v3
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from perkie_cli.domain.errors import (
    ChangesPending,
    InvalidSetting,
    MissingCredentials,
    StoreUnavailable,
    WrongCredentials,
)
from perkie_cli.domain.frozen import frozen
from perkie_cli.ports.monitoring import Buckets, Found, Json, Kind, Point, TimeSeries
from perkie_cli.stores.google.login import LOGIN, log_in

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
EMULATED_PROJECT = "perkie"
TIME_LIMIT = 20.0  # seconds for one call
EMULATOR = "MONITORING_EMULATOR_HOST"
METRICS = "custom.googleapis.com/perkie/"
_READING = {
    "timeout": TIME_LIMIT,
    "retry": AsyncRetry(if_exception_type(exceptions.ServiceUnavailable), initial=0.3, timeout=3.0),
}
T = TypeVar("T")


@frozen
class _Calls:
    """How Google names a kind's calls, and the field of a request that has the resource."""

    service: str
    message: Any
    many: str
    one: str
    field: str


_CALLS: Mapping[Kind, _Calls] = {
    Kind.METRIC: _Calls("MetricService", None, "list_metric_descriptors", "metric_descriptor", "metric_descriptor"),
    Kind.SERVICE: _Calls("ServiceMonitoringService", monitoring_v3.Service, "list_services", "service", "service"),
    Kind.OBJECTIVE: _Calls(
        "ServiceMonitoringService",
        monitoring_v3.ServiceLevelObjective,
        "list_service_level_objectives",
        "service_level_objective",
        "service_level_objective",
    ),
    Kind.CHANNEL: _Calls(
        "NotificationChannelService",
        monitoring_v3.NotificationChannel,
        "list_notification_channels",
        "notification_channel",
        "notification_channel",
    ),
    Kind.UPTIME: _Calls(
        "UptimeCheckService",
        monitoring_v3.UptimeCheckConfig,
        "list_uptime_check_configs",
        "uptime_check_config",
        "uptime_check_config",
    ),
    Kind.POLICY: _Calls(
        "AlertPolicyService", monitoring_v3.AlertPolicy, "list_alert_policies", "alert_policy", "alert_policy"
    ),
    Kind.DASHBOARD: _Calls(
        "DashboardsService", monitoring_dashboard_v1.Dashboard, "list_dashboards", "dashboard", "dashboard"
    ),
}


class GoogleMonitoring:
    """Implements the port. Clients are created at first use, in the event loop that uses them."""

    def __init__(self, project: str | None, environ: Mapping[str, str]) -> None:
        self._project = project
        self._emulator = environ.get(EMULATOR)
        self._credentials: Any = None
        self._clients: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """See the port."""
        return f"monitoring:{self._project or 'default project'}"

    async def project(self) -> str:
        """See the port."""
        if self._emulator is not None:
            self._project = self._project or EMULATED_PROJECT
        elif self._credentials is None:
            self._credentials, project = await log_in("Cloud Monitoring", SCOPE)
            self._project = self._project or project
        if self._project is None:
            raise MissingCredentials(
                "no project for Cloud Monitoring", hint="Set GOOGLE_CLOUD_PROJECT or telemetry.project."
            )
        return self._project

    def canonical(self, kind: Kind, body: Json) -> Json:
        """See the port."""
        return _json(kind, _message(kind, body))

    async def resources(self, kind: Kind) -> Sequence[Found]:
        """See the port."""
        project = await self.project()
        parent = f"projects/{project}"
        if kind is Kind.OBJECTIVE:
            services = await self.resources(Kind.SERVICE)
            return [each for service in services for each in await self._listed(kind, {"parent": service.name})]
        if kind is Kind.METRIC:
            beginning = f'metric.type = starts_with("{METRICS}")'
            return await self._listed(kind, {"name": parent, "filter": beginning})
        names = "parent" if kind in (Kind.SERVICE, Kind.UPTIME, Kind.DASHBOARD) else "name"
        return await self._listed(kind, {names: parent})

    async def _listed(self, kind: Kind, request: Json) -> list[Found]:
        call = getattr(self._client(kind), _CALLS[kind].many)

        async def pages() -> list[Found]:
            return [_found(kind, each) async for each in await call(request=request, **_READING)]

        return await self._asking(pages)

    async def create(self, kind: Kind, id_: str, body: Json) -> Found:
        """See the port."""
        project, calls = await self.project(), _CALLS[kind]
        request: dict[str, Any] = {calls.field: _message(kind, body)}
        named = kind in (Kind.METRIC, Kind.CHANNEL, Kind.POLICY)
        request["name" if named else "parent"] = f"projects/{project}"
        if kind is Kind.SERVICE:
            request["service_id"] = id_
        if kind is Kind.OBJECTIVE:
            service, _, objective = id_.partition("/")
            request |= {"parent": f"projects/{project}/services/{service}", "service_level_objective_id": objective}
        return await self._write(kind, f"create_{calls.one}", request)

    async def update(self, found: Found, body: Json) -> Found:
        """See the port."""
        calls = _CALLS[found.kind]
        if found.kind is Kind.METRIC:
            return await self.create(found.kind, "", body)
        named = {**body, "name": found.name}
        if found.kind is Kind.DASHBOARD:
            named["etag"] = found.body.get("etag", "")
        return await self._write(found.kind, f"update_{calls.one}", {calls.field: _message(found.kind, named)})

    async def delete(self, found: Found) -> None:
        """See the port."""
        call = getattr(self._client(found.kind), f"delete_{_CALLS[found.kind].one}")

        async def gone() -> None:
            try:
                await call(request={"name": found.name}, timeout=TIME_LIMIT, retry=None)
            except exceptions.NotFound:
                return
            except exceptions.FailedPrecondition as error:
                raise InvalidSetting(f"{self.name} keeps the {found.kind}: {error.message}") from error

        await self._asking(gone)

    async def series(self, metric: str, first: datetime, last: datetime) -> Sequence[TimeSeries]:
        """See the port."""
        resource = "uptime_url" if metric.startswith("monitoring.googleapis.com/uptime") else "generic_task"
        request = {
            "name": f"projects/{await self.project()}",
            "filter": f'metric.type = "{metric}" AND resource.type = "{resource}"',
            "interval": {"start_time": first, "end_time": last},
            "view": monitoring_v3.ListTimeSeriesRequest.TimeSeriesView.FULL,
        }
        client = self._client(Kind.METRIC)

        async def pages() -> list[TimeSeries]:
            answer = await client.list_time_series(request=request, **_READING)
            return [_series(each) async for each in answer]

        return await self._asking(pages)

    async def aclose(self) -> None:
        """Closes the channels."""
        while self._clients:
            await self._clients.popitem()[1].transport.close()

    async def _write(self, kind: Kind, method: str, request: Json) -> Found:
        call = getattr(self._client(kind), method)

        async def written() -> Found:
            try:
                return _found(kind, await call(request=request, timeout=TIME_LIMIT, retry=None))
            except (exceptions.InvalidArgument, exceptions.NotFound, exceptions.OutOfRange) as error:
                raise InvalidSetting(f"{self.name} refuses the {kind}: {error.message}") from error
            except (exceptions.Aborted, exceptions.AlreadyExists, exceptions.FailedPrecondition) as error:
                raise ChangesPending(
                    f"the {kind} was changed by someone else in the meantime: {error.message}",
                    hint="Check `perkie monitor diff` again.",
                ) from error

        return await self._asking(written)

    async def _asking(self, call: Callable[[], Awaitable[T]]) -> T:
        """Raises: StoreUnavailable, WrongCredentials, in place of Google's errors."""
        try:
            return await call()
        except (exceptions.Unauthenticated, exceptions.PermissionDenied, GoogleAuthError) as error:
            message = f"{self.name} refuses the credentials ({type(error).__name__})"
            hint = f"{LOGIN} The account needs roles/monitoring.editor."
            raise WrongCredentials(message, hint=hint) from error
        except exceptions.GoogleAPIError as error:
            raise StoreUnavailable(f"{self.name} does not answer ({type(error).__name__})") from error

    def _client(self, kind: Kind) -> Any:
        service = _CALLS[kind].service
        if service not in self._clients:
            module = monitoring_dashboard_v1 if kind is Kind.DASHBOARD else monitoring_v3
            client = getattr(module, f"{service}AsyncClient")
            if self._emulator is None:
                self._clients[service] = client(credentials=self._credentials)
            else:
                transport = client.get_transport_class("grpc_asyncio")
                self._clients[service] = client(transport=transport(channel=grpc.aio.insecure_channel(self._emulator)))
        return self._clients[service]


def _message(kind: Kind, body: Json) -> Any:
    """Raises: InvalidSetting for what Google's messages cannot hold."""
    message = metric_pb2.MetricDescriptor() if kind is Kind.METRIC else _CALLS[kind].message.pb()()
    try:
        return ParseDict(dict(body), message)
    except ParseError as error:
        raise InvalidSetting(f"this {kind} cannot be written: {error}") from error


def _json(kind: Kind, message: Any) -> dict[str, Any]:
    found: dict[str, Any] = MessageToDict(message)
    if kind is Kind.OBJECTIVE and "goal" in found:
        found["goal"] = round(found["goal"], 9)
    return found


def _found(kind: Kind, given: Any) -> Found:
    message = given if kind is Kind.METRIC else type(given).pb(given)
    body = _json(kind, message)
    labels = body.get("labels" if kind is Kind.DASHBOARD else "userLabels", {})
    return Found(kind, str(body.get("name", "")), labels if isinstance(labels, dict) else {}, body)


def _series(given: Any) -> TimeSeries:
    points = sorted((_point(each) for each in given.points), key=lambda point: point.end)
    cumulative = given.metric_kind == metric_pb2.MetricDescriptor.CUMULATIVE
    return TimeSeries(given.metric.type, dict(given.metric.labels), cumulative, points)


def _point(given: Any) -> Point:
    interval = given.interval
    end = _time(interval.end_time)
    start = _time(interval.start_time) if interval.start_time else end
    return Point(start, end, _value(given.value))


def _value(given: Any) -> float | Buckets:
    which = type(given).pb(given).WhichOneof("value")
    if which != "distribution_value":
        return float(getattr(given, which))
    distribution = given.distribution_value
    bounds = tuple(distribution.bucket_options.explicit_buckets.bounds)
    counts = list(distribution.bucket_counts)
    return Buckets(bounds, tuple(counts + [0] * (len(bounds) + 1 - len(counts))))  # zeros at the end may be left out


def _time(given: Any) -> datetime:
    return datetime.fromtimestamp(given.timestamp(), UTC)
