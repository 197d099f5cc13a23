"""google.monitoring.v3.ServiceMonitoringService: services and their objectives.

https://cloud.google.com/monitoring/api/ref_v3/rest/v3/services.serviceLevelObjectives
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import grpc
from google.api import metric_pb2
from google.cloud.monitoring_v3.types import service as resources
from google.cloud.monitoring_v3.types import service_service as messages
from google.protobuf.empty_pb2 import Empty

from perkie_cli.emulators.monitoring.calls import Call
from perkie_cli.emulators.monitoring.kept import (
    Kept,
    check_duration,
    check_filter,
    check_labels,
    check_text,
    numbered,
    parent_of,
)
from perkie_cli.emulators.rpc_server import Refused, invalid

DAY = 86_400
MOST_OBJECTIVES, MOST_SERVICES = 500, 1000
_ID = re.compile(r"[a-zA-Z0-9_-]{1,63}")
_TYPE = metric_pb2.MetricDescriptor.ValueType
_KIND = metric_pb2.MetricDescriptor.MetricKind


class ServiceLevels:
    """The service."""

    name = "google.monitoring.v3.ServiceMonitoringService"

    def __init__(self, descriptors: Mapping[str, Any]) -> None:
        self.services = Kept("Services", MOST_SERVICES)
        self.objectives = Kept("Service level objectives", MOST_OBJECTIVES)
        self._descriptors = descriptors

    def calls(self) -> Mapping[str, Call]:
        """The emulated calls."""
        return {
            "ListServices": Call(messages.ListServicesRequest.pb(), self._list_services),
            "GetService": Call(messages.GetServiceRequest.pb(), self._get_service),
            "CreateService": Call(messages.CreateServiceRequest.pb(), self._create_service),
            "UpdateService": Call(messages.UpdateServiceRequest.pb(), self._update_service),
            "DeleteService": Call(messages.DeleteServiceRequest.pb(), self._delete_service),
            "ListServiceLevelObjectives": Call(messages.ListServiceLevelObjectivesRequest.pb(), self._list),
            "GetServiceLevelObjective": Call(messages.GetServiceLevelObjectiveRequest.pb(), self._get),
            "CreateServiceLevelObjective": Call(messages.CreateServiceLevelObjectiveRequest.pb(), self._create),
            "UpdateServiceLevelObjective": Call(messages.UpdateServiceLevelObjectiveRequest.pb(), self._update),
            "DeleteServiceLevelObjective": Call(messages.DeleteServiceLevelObjectiveRequest.pb(), self._delete),
        }

    async def _list_services(self, request: Any) -> Any:
        return self.services.page(request, messages.ListServicesResponse.pb()(), "services")

    async def _get_service(self, request: Any) -> Any:
        return self.services.get(numbered(request.name))

    async def _create_service(self, request: Any) -> Any:
        service = _copied(resources.Service, request.service)
        id_ = _chosen(request.service_id, self.services)
        _check_service(service)
        service.name = f"{parent_of(request.parent)}/services/{id_}"
        return self.services.add(service)

    async def _update_service(self, request: Any) -> Any:
        service = _copied(resources.Service, request.service)
        service.name = numbered(service.name)
        self.services.get(service.name)
        _check_service(service)
        self.services.messages[service.name] = service
        return service

    async def _delete_service(self, request: Any) -> Any:
        name = numbered(request.name)
        self.services.get(name)
        del self.services.messages[name]
        for each in [each for each in self.objectives.messages if each.startswith(f"{name}/")]:
            del self.objectives.messages[each]
        return Empty()

    async def _list(self, request: Any) -> Any:
        parent = numbered(request.parent)
        self.services.get(parent)
        among = [each for name, each in self.objectives.messages.items() if name.startswith(f"{parent}/")]
        answer = messages.ListServiceLevelObjectivesResponse.pb()()
        return self.objectives.page(request, answer, "service_level_objectives", among)

    async def _get(self, request: Any) -> Any:
        return self.objectives.get(numbered(request.name))

    async def _create(self, request: Any) -> Any:
        parent = numbered(request.parent)
        self.services.get(parent)
        objective = _copied(resources.ServiceLevelObjective, request.service_level_objective)
        self._check(objective)
        id_ = _chosen(request.service_level_objective_id, self.objectives)
        objective.name = f"{parent}/serviceLevelObjectives/{id_}"
        return self.objectives.add(objective)

    async def _update(self, request: Any) -> Any:
        objective = _copied(resources.ServiceLevelObjective, request.service_level_objective)
        objective.name = numbered(objective.name)
        self.objectives.get(objective.name)
        self._check(objective)
        self.objectives.messages[objective.name] = objective
        return objective

    async def _delete(self, request: Any) -> Any:
        name = numbered(request.name)
        self.objectives.get(name)
        del self.objectives.messages[name]
        return Empty()

    def _check(self, objective: Any) -> None:
        """Raises: Refused."""
        check_labels(objective.user_labels)
        check_text("display_name", objective.display_name, 512, least=0)
        if not 0 < objective.goal <= 0.9999:
            raise invalid(f"Field goal had an invalid value of {objective.goal:g}: it must be in (0, 0.9999].")
        if objective.WhichOneof("period") == "rolling_period":
            check_duration("rolling_period", objective.rolling_period, DAY, 30 * DAY, DAY)
        elif not objective.calendar_period:
            raise invalid("Field period had an invalid value: a rolling or a calendar period is needed.")
        indicator = objective.service_level_indicator
        if indicator.WhichOneof("type") != "request_based":
            raise Refused(grpc.StatusCode.UNIMPLEMENTED, "Only request-based indicators are emulated by perkie.")
        if indicator.request_based.WhichOneof("method") == "distribution_cut":
            self._check_cut(indicator.request_based.distribution_cut)
        else:
            self._check_ratio(indicator.request_based.good_total_ratio)

    def _check_cut(self, cut: Any) -> None:
        check_filter(
            "distribution_filter",
            cut.distribution_filter,
            self._descriptors,
            self.objectives,
            lambda descriptor: descriptor.value_type == _TYPE.DISTRIBUTION,
        )
        if not cut.HasField("range_"):
            raise invalid("Field distribution_cut.range had an invalid value: it must be set.")

    def _check_ratio(self, ratio: Any) -> None:
        given = [
            text for text in (ratio.good_service_filter, ratio.bad_service_filter, ratio.total_service_filter) if text
        ]
        if len(given) != 2:
            raise invalid("Exactly two of good, bad and total service filters must be set.")
        for text in given:
            check_filter("service_filter", text, self._descriptors, self.objectives, _countable)


def _countable(descriptor: Any) -> bool:
    kinds, types = (_KIND.DELTA, _KIND.CUMULATIVE), (_TYPE.INT64, _TYPE.DOUBLE)
    return descriptor.metric_kind in kinds and descriptor.value_type in types


def _check_service(service: Any) -> None:
    check_labels(service.user_labels)
    check_text("service.display_name", service.display_name, 512, least=0)
    if service.WhichOneof("identifier") is None and not service.HasField("basic_service"):
        raise invalid("Field service.identifier had an invalid value: it must be set.")
    service.telemetry.SetInParent()


def _chosen(id_: str, kept: Kept) -> str:
    if id_ and not _ID.fullmatch(id_):
        raise invalid(f"The id {id_!r} must be 1 to 63 letters, digits, _ and -.")
    return id_ or kept.new_id()


def _copied(kind: Any, given: Any) -> Any:
    made = kind.pb()()
    made.CopyFrom(given)
    return made
