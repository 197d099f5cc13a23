"""The emulated Cloud Run: the gRPC services of google.cloud.run.v2 and of operations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Unpack

import grpc
from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.emulators.cloud_run.plan import RunFault
from perkie_cli.emulators.cloud_run.state import RunState
from perkie_cli.emulators.http_server import Request, Response
from perkie_cli.emulators.rpc_server import RpcEmulator, ServerOptions
from perkie_cli.ports import Clock

BACKENDS = "/_emulator/backends"
POLL = 0.05  # seconds between two looks of WaitOperation
Answer = Callable[[Any], Any]


class RunEmulator(RpcEmulator[RunFault]):
    """One emulated Cloud Run. ``rollout``: seconds that a change takes."""

    fault = RunFault

    def __init__(
        self,
        clock: Clock,
        *,
        rollout: float = 0.2,
        backends: Mapping[str, str] | None = None,
        **server: Unpack[ServerOptions[RunFault]],
    ) -> None:
        super().__init__(clock, **server)
        self.state = RunState(clock, self._choose, rollout)
        self.state.backends.update(backends or {})

    def _handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        state, v2 = self.state, run_v2
        services: Mapping[str, tuple[Any, Answer]] = {
            "GetService": (v2.GetServiceRequest, lambda asked: state.service(asked.name)),
            "ListServices": (v2.ListServicesRequest, self._services),
            "CreateService": (
                v2.CreateServiceRequest,
                lambda asked: state.create(
                    asked.parent, asked.service_id, asked.service, validate_only=asked.validate_only
                ),
            ),
            "UpdateService": (
                v2.UpdateServiceRequest,
                lambda asked: state.update(
                    asked.service,
                    v2.UpdateServiceRequest.pb(asked).update_mask,
                    validate_only=asked.validate_only,
                ),
            ),
            "DeleteService": (v2.DeleteServiceRequest, lambda asked: state.delete(asked.name)),
        }
        revisions: Mapping[str, tuple[Any, Answer]] = {
            "GetRevision": (v2.GetRevisionRequest, lambda asked: state.revision(asked.name)),
            "ListRevisions": (v2.ListRevisionsRequest, self._revisions),
        }
        served = {
            "google.cloud.run.v2.Services": {**self._wrapped(services), **self._policies()},
            "google.cloud.run.v2.Revisions": self._wrapped(revisions),
            "google.longrunning.Operations": {
                "GetOperation": self._operation("GetOperation", operations_pb2.GetOperationRequest),
                "WaitOperation": self._operation("WaitOperation", operations_pb2.WaitOperationRequest),
            },
        }
        return [grpc.method_handlers_generic_handler(name, calls) for name, calls in served.items()]

    def _wrapped(self, calls: Mapping[str, tuple[Any, Answer]]) -> Mapping[str, Any]:
        return {
            name: grpc.unary_unary_rpc_method_handler(
                self._unary(name, _at_once(answer)), request_deserializer=kind.deserialize, response_serializer=_bytes
            )
            for name, (kind, answer) in calls.items()
        }

    def _policies(self) -> Mapping[str, Any]:
        """IAM of services; whoever calls has every permission."""
        calls: Mapping[str, tuple[Any, Answer]] = {
            "GetIamPolicy": (iam_policy_pb2.GetIamPolicyRequest, lambda asked: self.state.policy(asked.resource)),
            "SetIamPolicy": (
                iam_policy_pb2.SetIamPolicyRequest,
                lambda asked: self.state.set_policy(asked.resource, asked.policy),
            ),
            "TestIamPermissions": (
                iam_policy_pb2.TestIamPermissionsRequest,
                lambda asked: iam_policy_pb2.TestIamPermissionsResponse(permissions=asked.permissions),
            ),
        }
        return {
            name: grpc.unary_unary_rpc_method_handler(
                self._unary(name, _at_once(answer)), request_deserializer=kind.FromString, response_serializer=_bytes
            )
            for name, (kind, answer) in calls.items()
        }

    def _operation(self, name: str, kind: Any) -> Any:
        async def answer(asked: Any) -> Any:
            operation = self.state.operation(asked.name)
            ends = self._clock.monotonic() + (asked.timeout.ToTimedelta().total_seconds() if name[0] == "W" else 0)
            while not operation.done and self._clock.monotonic() < ends:
                await self._clock.sleep(POLL)
                operation = self.state.operation(asked.name)
            return operation

        return grpc.unary_unary_rpc_method_handler(
            self._unary(name, answer), request_deserializer=kind.FromString, response_serializer=_bytes
        )

    def _services(self, asked: Any) -> Any:
        self.state.settle()
        found = [each for name, each in self.state.services.items() if name.startswith(f"{asked.parent}/")]
        return run_v2.ListServicesResponse(services=found)

    def _revisions(self, asked: Any) -> Any:
        self.state.settle()
        found = [each for name, each in self.state.revisions.items() if name.startswith(f"{asked.parent}/")]
        return run_v2.ListRevisionsResponse(revisions=found)

    def _admin_call(self, request: Request) -> Response | None:
        """``backends``: addresses by image."""
        if request.path != BACKENDS or request.method not in ("GET", "PUT"):
            return None
        if request.method == "PUT":
            given = request.json()
            if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
                return Response.of({"error": "backends are addresses by image"}, 400)
            self.state.backends.update(given)
        return Response.of(dict(self.state.backends))

    def _state(self) -> Mapping[str, Any]:
        return {"services": {name: self.state.split(name) for name in self.state.services}}


def _at_once(call: Answer) -> Callable[[Any], Awaitable[Any]]:
    async def answer(asked: Any) -> Any:
        return call(asked)

    return answer


def _bytes(answer: Any) -> bytes:
    kind = type(answer)
    return bytes(answer.SerializeToString() if hasattr(answer, "SerializeToString") else kind.serialize(answer))


def parse_backends(given: Sequence[str]) -> Mapping[str, str]:
    """``IMAGE=URL`` each. Raises: InvalidParameter."""
    found = {}
    for text in given:
        image, _, url = text.rpartition("=http")
        if not image or not url.startswith(("://", "s://")):
            raise InvalidParameter(f"--backend {text!r} is not IMAGE=URL")
        found[image] = f"http{url}"
    return found
