"""The gRPC services of google.cloud.run.v2 and of operations, and the admin API over HTTP under ``/_emulator``."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
import grpc.aio
from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.emulators.admin import answer_shared
from perkie_cli.emulators.cloud_run.plan import RunFault, RunFaultKind
from perkie_cli.emulators.cloud_run.rules import Refused
from perkie_cli.emulators.cloud_run.state import RunState
from perkie_cli.emulators.fault_plan import Faults, parse_faults
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.emulators.skew import SkewedClock
from perkie_cli.ports import Clock

BACKENDS = "/_emulator/backends"
POLL = 0.05  # seconds between two looks of WaitOperation
Answer = Callable[[Any], Any]


class RunEmulator:
    """One emulated Cloud Run. ``port`` 0 picks a free one; services are in memory and lost at the end.

    ``rollout``: seconds that a change takes.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        plan: Sequence[RunFault] = (),
        seed: int = 0,
        rollout: float = 0.2,
        backends: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        admin_port: int = 0,
    ) -> None:
        self.clock = SkewedClock(clock)
        self.faults = Faults(clock, plan, seed)
        self.state = RunState(clock, self._choose, rollout)
        self.state.backends.update(backends or {})
        self.counts: Counter[str] = Counter()
        self.admin = HttpServer(self._admin, host, admin_port)
        self._clock = clock
        self._host, self._port = host, port
        self._server: Any = None

    @property
    def address(self) -> str:
        """The value for ``CLOUD_RUN_EMULATOR_HOST``."""
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Starts the servers. Raises: OSError when an address cannot be used."""
        # Without so_reuseport=0 two emulators could share one port, and each would get part of the calls.
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(name, calls) for name, calls in self._handlers().items()]
        )
        try:
            self._port = self._server.add_insecure_port(self.address)
        except RuntimeError as error:
            raise OSError(f"{self.address} is taken or not an address of this machine") from error
        await self.admin.start()
        await self._server.start()

    async def aclose(self) -> None:
        """Drops every connection."""
        await self.admin.aclose()
        if self._server is not None:
            await self._server.stop(grace=None)

    # ------------------------------------------------------------ gRPC

    def _handlers(self) -> Mapping[str, Mapping[str, Any]]:
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
        return {
            "google.cloud.run.v2.Services": {**self._wrapped(services), **self._policies()},
            "google.cloud.run.v2.Revisions": self._wrapped(revisions),
            "google.longrunning.Operations": {
                "GetOperation": self._operation("GetOperation", operations_pb2.GetOperationRequest),
                "WaitOperation": self._operation("WaitOperation", operations_pb2.WaitOperationRequest),
            },
        }

    def _wrapped(self, calls: Mapping[str, tuple[Any, Answer]]) -> Mapping[str, Any]:
        return {
            name: grpc.unary_unary_rpc_method_handler(
                self._answering(name, answer), request_deserializer=kind.deserialize, response_serializer=_bytes
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
                self._answering(name, answer), request_deserializer=kind.FromString, response_serializer=_bytes
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
            self._answering(name, answer), request_deserializer=kind.FromString, response_serializer=_bytes
        )

    def _services(self, asked: Any) -> Any:
        self.state.settle()
        found = [each for name, each in self.state.services.items() if name.startswith(f"{asked.parent}/")]
        return run_v2.ListServicesResponse(services=found)

    def _revisions(self, asked: Any) -> Any:
        self.state.settle()
        found = [each for name, each in self.state.revisions.items() if name.startswith(f"{asked.parent}/")]
        return run_v2.ListRevisionsResponse(revisions=found)

    def _answering(self, name: str, call: Answer) -> Callable[[Any, Any], Awaitable[Any]]:
        async def answer(asked: Any, context: Any) -> Any:
            self.counts[name] += 1
            try:
                fault = await self._suffer(name)
                made = call(asked)
                made = await made if asyncio.iscoroutine(made) else made
            except Refused as refused:
                self.counts[refused.code.name] += 1
                await context.abort(refused.code, refused.message)
            if fault is not None and fault.kind is RunFaultKind.LOST:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "The emulator was told to lose the answer.")
            return made

        return answer

    def _choose(self, name: str) -> RunFault | None:
        fault = self.faults.choose(lambda fault: fault.fits(name))
        if fault is not None:
            self.counts[f"fault {fault.kind}"] += 1
        return fault

    async def _suffer(self, name: str) -> RunFault | None:
        fault = self._choose(name)
        if fault is None:
            return None
        if fault.kind is RunFaultKind.ERROR:
            raise Refused(grpc.StatusCode[fault.code], "The emulator was told to fail.")
        if fault.kind is RunFaultKind.SLOW:
            await self._clock.sleep(fault.seconds)
        if fault.kind is RunFaultKind.HANG:
            await asyncio.Event().wait()
        return fault

    # ------------------------------------------------------------ admin

    async def _admin(self, request: Request, wire: Wire) -> Response | None:
        """``plan`` and ``clock`` as in all emulators; ``backends``: addresses by image; ``GET state``."""
        del wire
        shared = answer_shared(request, self.faults, self.clock, self._replace_plan, dict)
        if shared is not None:
            return shared
        if request.path == BACKENDS and request.method in ("GET", "PUT"):
            return self._answer_backends(request)
        if (request.method, request.path) != ("GET", "/_emulator/state"):
            return Response.of({"error": f"{request.method} {request.path} is not an admin call"}, 404)
        services = {name: self.state.split(name) for name in self.state.services}
        return Response.of({"services": services, "calls": dict(self.counts)})

    def _answer_backends(self, request: Request) -> Response:
        if request.method == "PUT":
            given = request.json()
            if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
                return Response.of({"error": "backends are addresses by image"}, 400)
            self.state.backends.update(given)
        return Response.of(dict(self.state.backends))

    def _replace_plan(self, table: object, lease: float | None) -> None:
        self.faults.set(parse_faults(table, RunFault), lease)


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


@contextlib.asynccontextmanager
async def running(emulator: RunEmulator) -> AsyncIterator[RunEmulator]:
    """Runs the emulator for the block.

    Raises: OSError when its address cannot be used.
    """
    await emulator.start()
    try:
        yield emulator
    finally:
        await emulator.aclose()
