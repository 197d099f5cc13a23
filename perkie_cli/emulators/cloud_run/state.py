"""The services in memory. A change is accepted at once and rolled out later, as the real one does."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import grpc
from google.cloud import run_v2
from google.iam.v1 import policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import field_mask_pb2
from google.rpc import code_pb2

from perkie_cli.emulators.cloud_run.plan import ROLLOUT, RunFault, RunFaultKind
from perkie_cli.emulators.cloud_run.rules import LATEST, check_revision_name, check_service
from perkie_cli.emulators.rpc_server import Refused, invalid
from perkie_cli.ports import Clock

State = run_v2.Condition.State
_SETTABLE = (
    *("annotations", "labels", "description", "ingress", "scaling", "template", "traffic", "launch_stage"),
    "invoker_iam_disabled",
)


@dataclass(slots=True)
class _Rollout:
    """A change that is on its way. ``due``: when it ends, on the monotonic clock."""

    service: str
    revision: str
    due: float
    starts: bool
    operation: str


class RunState:
    """All services of all projects. ``seconds`` is how long a rollout takes; ``fault`` chooses its faults.

    ``backends``: addresses of real servers by image; a tag of a revision has its image's as its address.
    """

    def __init__(self, clock: Clock, fault: Callable[[str], RunFault | None], seconds: float = 0.2) -> None:
        self.backends: dict[str, str] = {}
        self.services: dict[str, Any] = {}
        self.revisions: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}
        self.policies: dict[str, Any] = {}  # of services
        self._clock = clock
        self._fault = fault
        self._seconds = seconds
        self._waiting: list[_Rollout] = []
        self._numbers = itertools.count(1)

    # ------------------------------------------------------------ calls

    def service(self, name: str) -> Any:
        """As it is now. Raises: Refused."""
        self.settle()
        if name not in self.services:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Resource '{_short(name)}' of kind 'SERVICE' does not exist.")
        return self.services[name]

    def revision(self, name: str) -> Any:
        """Raises: Refused."""
        self.settle()
        if name not in self.revisions:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Resource '{_short(name)}' of kind 'REVISION' does not exist.")
        return self.revisions[name]

    def operation(self, name: str) -> Any:
        """Raises: Refused."""
        self.settle()
        if name not in self.operations:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"operation {name} not found")
        return self.operations[name]

    def policy(self, name: str) -> Any:
        """Who may do what with the service. Raises: Refused."""
        self.service(name)
        return self.policies.get(name, policy_pb2.Policy(etag=b"ACAB"))

    def set_policy(self, name: str, given: Any) -> Any:
        """Raises: Refused, with ABORTED where ``given`` has an etag of another version."""
        before = self.policy(name)
        if given.etag not in (b"", before.etag):
            raise Refused(
                grpc.StatusCode.ABORTED,
                "There were concurrent policy changes. Please retry the whole read-modify-write.",
            )
        self.policies[name] = policy_pb2.Policy(
            version=given.version, bindings=given.bindings, etag=str(next(self._numbers)).encode()
        )
        return self.policies[name]

    def create(self, parent: str, service_id: str, given: Any, *, validate_only: bool) -> Any:
        """Raises: Refused."""
        name = f"{parent}/services/{service_id}"
        if name in self.services:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Resource '{service_id}' already exists.")
        made = run_v2.Service()
        run_v2.Service.copy_from(made, given)
        made.name, made.uid = name, f"uid-{next(self._numbers)}"
        return self._change(name, made, None, validate_only=validate_only)

    def update(self, given: Any, mask: field_mask_pb2.FieldMask, *, validate_only: bool) -> Any:
        """Raises: Refused, with ABORTED where ``given`` has an etag of another version."""
        before = self.service(given.name)
        if given.etag and given.etag != before.etag:
            raise Refused(
                grpc.StatusCode.ABORTED,
                f"Conflict for resource '{_short(given.name)}': version '{given.etag}' was specified but current "
                f"version is '{before.etag}'.",
            )
        wanted = run_v2.Service()
        run_v2.Service.copy_from(wanted, before)
        for field in mask.paths or _SETTABLE:
            top, *inner = field.split(".")
            if top not in _SETTABLE:
                raise invalid(f"update_mask: {field} is not a field that can be set.")
            source, target = given, wanted
            for part in ([top, *inner])[:-1]:
                source, target = getattr(source, part), getattr(target, part)
            last = [top, *inner][-1]
            setattr(target, last, getattr(source, last))
        return self._change(given.name, wanted, before, validate_only=validate_only)

    def delete(self, name: str) -> Any:
        """Raises: Refused."""
        gone = self.service(name)
        del self.services[name]
        for revision in [each for each in self.revisions if each.startswith(f"{name}/")]:
            del self.revisions[revision]
        self.policies.pop(name, None)
        return self._operation(gone, done=True)

    # ------------------------------------------------------------ changes

    def _change(self, name: str, wanted: Any, before: Any, *, validate_only: bool) -> Any:
        short = _short(name)
        taken = {_short(each) for each in self.revisions if each.startswith(f"{name}/")}
        template = _bare(wanted.template)
        new = before is None or template != _bare(before.template) or wanted.template.revision not in ("", *taken)
        if new and not wanted.template.revision:
            wanted.template.revision = f"{short}-{len(taken) + 1:05d}-emu"
        if new:
            check_revision_name(wanted.template.revision, short, taken)
        revision = wanted.template.revision
        if not wanted.traffic:
            wanted.traffic = [run_v2.TrafficTarget(type_=LATEST, percent=100)]
        check_service(wanted, {*taken, *([revision] if new else [])})
        if validate_only:
            return self._operation(wanted, done=True)
        number = (before.generation if before is not None else 0) + 1
        wanted.generation, wanted.etag, wanted.reconciling = number, f'"{next(self._numbers)}"', True
        wanted.terminal_condition = run_v2.Condition(type_="Ready", state=State.CONDITION_RECONCILING)
        if new:
            wanted.latest_created_revision = f"{name}/revisions/{revision}"
            self.revisions[f"{name}/revisions/{revision}"] = _revision(name, wanted)
            wanted.template.revision = ""  # the real one gives it back only for a while; nobody may count on it
        self.services[name] = wanted
        self._waiting = [each for each in self._waiting if each.service != name or each.due < inf]  # superseded
        operation = self._operation(wanted, done=False)
        self._begin(name, revision if new else "", operation.name)
        return operation

    def _begin(self, name: str, revision: str, operation: str) -> None:
        fault = self._fault(ROLLOUT)
        due, starts = self._clock.monotonic() + self._seconds, True
        if fault is not None:
            due += {RunFaultKind.SLOW: fault.seconds, RunFaultKind.HANG: inf}.get(fault.kind, 0.0)
            starts = fault.kind is not RunFaultKind.UNREADY
        self._waiting.append(_Rollout(name, revision, due, starts, operation))

    def settle(self) -> None:
        """Ends what is due."""
        now = self._clock.monotonic()
        ended = [each for each in self._waiting if each.due <= now]
        self._waiting = [each for each in self._waiting if each.due > now]
        for each in ended:
            self._end(each)

    def _end(self, rollout: _Rollout) -> None:
        service = self.services.get(rollout.service)
        if service is None:
            return
        if rollout.revision:
            revision = self.revisions[f"{rollout.service}/revisions/{rollout.revision}"]
            revision.reconciling = False
            revision.conditions = [_condition(rollout.starts)]
            if rollout.starts:
                service.latest_ready_revision = revision.name
        if not any(each.service == rollout.service for each in self._waiting):
            service.reconciling = False
            service.etag = f'"{next(self._numbers)}"'
            service.observed_generation = service.generation
            created = service.latest_created_revision  # while that one does not start, the service is not ready
            service.terminal_condition = _condition(self._starts(created), _short(created))
        service.traffic_statuses = [*self._statuses(service)]
        service.uri = self._main_address(service)
        operation = self.operations[rollout.operation]
        operation.done = True
        if rollout.starts:
            operation.response.Pack(run_v2.Service.pb(service))
        else:
            operation.error.code = code_pb2.FAILED_PRECONDITION
            operation.error.message = service.terminal_condition.message

    def _starts(self, revision: str) -> bool:
        return any(each.state == State.CONDITION_SUCCEEDED for each in self.revisions[revision].conditions)

    def _statuses(self, service: Any) -> list[Any]:
        return [
            run_v2.TrafficTargetStatus(
                type_=target.type_,
                revision=target.revision,
                percent=target.percent,
                tag=target.tag,
                uri=self._address(service, target) if target.tag else "",
            )
            for target in service.traffic
            if not target.revision or self._starts(f"{service.name}/revisions/{target.revision}")
        ]

    def _address(self, service: Any, target: Any) -> str:
        name = f"{service.name}/revisions/{target.revision}" if target.revision else service.latest_ready_revision
        revision = self.revisions.get(name)
        image = revision.containers[0].image if revision is not None else ""
        tag = f"{target.tag}---" if target.tag else ""
        return self.backends.get(image) or f"https://{tag}{_short(service.name)}-emulated.a.run.app"

    def _main_address(self, service: Any) -> str:
        """Of the revision with the most traffic: there is no front that would split it."""
        main = max(service.traffic_statuses, key=lambda each: each.percent, default=None)
        return service.uri if main is None else self._address(service, main)

    def _operation(self, service: Any, *, done: bool) -> Any:
        place = service.name.split("/services/")[0]
        operation = operations_pb2.Operation(name=f"{place}/operations/{next(self._numbers)}", done=done)
        operation.metadata.Pack(run_v2.Service.pb(service))
        if done:
            operation.response.Pack(run_v2.Service.pb(service))
        self.operations[operation.name] = operation
        return operation

    def split(self, name: str) -> Mapping[str, int]:
        """Percent by short name of revision, as it is served now."""
        service = self.service(name)
        found: dict[str, int] = {}
        for each in service.traffic_statuses:
            revision = each.revision or _short(service.latest_ready_revision)
            found[revision] = found.get(revision, 0) + each.percent
        return {revision: percent for revision, percent in found.items() if percent}


def _short(name: str) -> str:
    return name.rpartition("/")[2]


def _bare(template: Any) -> bytes:
    """The template without its revision's name, to compare."""
    copy = run_v2.RevisionTemplate()
    run_v2.RevisionTemplate.copy_from(copy, template)
    copy.revision = ""
    return bytes(run_v2.RevisionTemplate.serialize(copy))


def _revision(name: str, service: Any) -> Any:
    return run_v2.Revision(
        name=f"{name}/revisions/{service.template.revision}",
        service=_short(name),
        containers=list(service.template.containers),
        reconciling=True,
    )


def _condition(ready: bool, revision: str = "") -> Any:
    if ready:
        return run_v2.Condition(type_="Ready", state=State.CONDITION_SUCCEEDED)
    return run_v2.Condition(
        type_="Ready",
        state=State.CONDITION_FAILED,
        revision_reason=run_v2.Condition.RevisionReason.HEALTH_CHECK_CONTAINER_ERROR,
        message=f"Revision '{revision}' is not ready and cannot serve traffic. The user-provided container failed to "
        "start and listen on the port defined provided by the PORT=8080 environment variable.",
    )
