"""The emulated Firestore: the gRPC service google.firestore.v1.Firestore, and what its clients ask for beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Unpack

import grpc
from google.cloud.firestore_admin_v1.types import Field, GetFieldRequest

from perkie_cli.emulators.firestore.database import Database
from perkie_cli.emulators.firestore.plan import STREAMS, UNARY, FirestoreFault
from perkie_cli.emulators.firestore.service import FirestoreService, message
from perkie_cli.emulators.http_server import Request, Response
from perkie_cli.emulators.rpc_faults import RpcFaultKind
from perkie_cli.emulators.rpc_server import Refused, RpcEmulator, ServerOptions
from perkie_cli.ports import Clock

SERVICE, ADMIN = "google.firestore.v1.Firestore", "google.firestore.admin.v1.FirestoreAdmin"


class _Admin:
    """The part of the admin API that tells of TTL policies: every collection has one on the emulator's TTL field."""

    def __init__(self, ttl_field: str) -> None:
        self._ttl_field = ttl_field

    async def get_field(self, request: Any, context: Any) -> Any:
        del context
        found = Field.pb()(name=request.name)
        if request.name.rpartition("/")[2] == self._ttl_field:
            found.ttl_config.state = Field.TtlConfig.State.ACTIVE
        return found

    def handlers(self) -> Any:
        get = grpc.unary_unary_rpc_method_handler(
            self.get_field,
            request_deserializer=GetFieldRequest.pb().FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )
        return grpc.method_handlers_generic_handler(ADMIN, {"GetField": get})


class _NotEmulated(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Refuses every other call by name: listeners, write streams, pipelines, partitions.

    A listener gets a removed target with the reason: Node's client would treat an error as a broken connection and
    retry for ever.
    """

    def service(self, call: Any) -> Any:
        name = call.method.rpartition("/")[2]
        refusal = f"{name} is not emulated by perkie."

        async def refuse(_: Any, context: Any) -> AsyncIterator[bytes]:
            if name == "Listen":
                cause = {"code": grpc.StatusCode.UNIMPLEMENTED.value[0], "message": refusal}
                removed = {"target_change_type": "REMOVE", "cause": cause}
                yield message("ListenResponse")(target_change=removed).SerializeToString()
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, refusal)

        return grpc.stream_stream_rpc_method_handler(refuse)


class FirestoreEmulator(RpcEmulator[FirestoreFault]):
    """One emulated Firestore."""

    fault = FirestoreFault

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        ttl_field: str = "expire_at",
        **server: Unpack[ServerOptions[FirestoreFault]],
    ) -> None:
        super().__init__(clock, **server)
        database.clock = self.clock
        self.database = database
        self._service = FirestoreService(database)
        self._ttl_field = ttl_field

    def _handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        handlers = {}
        for name in UNARY + STREAMS:
            kind = grpc.unary_stream_rpc_method_handler if name in STREAMS else grpc.unary_unary_rpc_method_handler
            wrap = self._stream if name in STREAMS else self._unary
            handlers[name] = kind(
                wrap(name, getattr(self._service, name)),
                request_deserializer=message(f"{name}Request").FromString,
                response_serializer=lambda answer: answer.SerializeToString(),
            )
        served = grpc.method_handlers_generic_handler(SERVICE, handlers)
        return served, _Admin(self._ttl_field).handlers(), _NotEmulated()

    def _stream(self, name: str, call: Callable[[Any], AsyncIterator[Any]]) -> Callable[[Any, Any], AsyncIterator[Any]]:
        async def answer(asked: Any, context: Any) -> AsyncIterator[Any]:
            try:
                fault = await self._before(name)
                async for each in call(asked):
                    if fault is None or fault.kind is not RpcFaultKind.LOST:
                        yield each
                self._after(fault)
            except Refused as refused:
                await self._refuse(context, refused)

        return answer

    def _admin_call(self, request: Request) -> Response | None:
        """``POST expire`` runs the TTL policy."""
        if (request.method, request.path) != ("POST", "/_emulator/expire"):
            return None
        return Response.of({"deleted": self.database.expire(self._ttl_field)})

    def _state(self) -> Mapping[str, Any]:
        return {"documents": len(self.database.documents)}
