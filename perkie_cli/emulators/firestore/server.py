"""The gRPC service google.firestore.v1.Firestore, and the admin API over HTTP under ``/_emulator``."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
import grpc.aio
from google.cloud.firestore_admin_v1.types import Field, GetFieldRequest

from perkie_cli.emulators.admin import answer_shared
from perkie_cli.emulators.fault_plan import Faults, parse_faults
from perkie_cli.emulators.firestore.database import Database
from perkie_cli.emulators.firestore.plan import STREAMS, UNARY, FirestoreFault, FirestoreFaultKind
from perkie_cli.emulators.firestore.service import FirestoreService, message
from perkie_cli.emulators.firestore.writes import Refused
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.emulators.skew import SkewedClock
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


class FirestoreEmulator:
    """One emulated Firestore. ``port`` 0 picks a free one; documents are in memory and lost at the end."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        plan: Sequence[FirestoreFault] = (),
        seed: int = 0,
        ttl_field: str = "expire_at",
        host: str = "127.0.0.1",
        port: int = 0,
        admin_port: int = 0,
    ) -> None:
        self.database = database
        self.faults = Faults(clock, plan, seed)
        self.clock = database.clock = SkewedClock(database.clock)
        self.counts: Counter[str] = Counter()
        self.admin = HttpServer(self._admin, host, admin_port)
        self._service = FirestoreService(database)
        self._clock = clock
        self._ttl_field = ttl_field
        self._host, self._port = host, port
        self._server: Any = None

    @property
    def address(self) -> str:
        """The value for ``FIRESTORE_EMULATOR_HOST``."""
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Starts the servers. Raises: OSError when an address cannot be used."""
        # Without so_reuseport=0 two emulators could share one port, and each would get part of the calls.
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handlers = grpc.method_handlers_generic_handler(SERVICE, self._handlers())
        self._server.add_generic_rpc_handlers((handlers, _Admin(self._ttl_field).handlers(), _NotEmulated()))
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

    def _handlers(self) -> dict[str, Any]:
        handlers = {}
        for name in UNARY + STREAMS:
            kind = grpc.unary_stream_rpc_method_handler if name in STREAMS else grpc.unary_unary_rpc_method_handler
            wrap = self._stream if name in STREAMS else self._unary
            handlers[name] = kind(
                wrap(name, getattr(self._service, name)),
                request_deserializer=message(f"{name}Request").FromString,
                response_serializer=lambda answer: answer.SerializeToString(),
            )
        return handlers

    def _unary(self, name: str, call: Callable[[Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        async def answer(request: Any, context: Any) -> Any:
            fault = await self._before(name, context)
            try:
                made = await call(request)
            except Refused as refused:
                await self._refuse(context, refused.code, refused.message)
            await self._after(fault, context)
            return made

        return answer

    def _stream(self, name: str, call: Callable[[Any], AsyncIterator[Any]]) -> Callable[[Any, Any], AsyncIterator[Any]]:
        async def answer(request: Any, context: Any) -> AsyncIterator[Any]:
            fault = await self._before(name, context)
            try:
                async for each in call(request):
                    if fault is None or fault.kind is not FirestoreFaultKind.LOST:
                        yield each
            except Refused as refused:
                await self._refuse(context, refused.code, refused.message)
            await self._after(fault, context)

        return answer

    async def _before(self, name: str, context: Any) -> FirestoreFault | None:
        self.counts[name] += 1
        fault = self.faults.choose(lambda fault: fault.fits(name))
        if fault is None:
            return None
        self.counts[f"fault {fault.kind}"] += 1
        if fault.kind is FirestoreFaultKind.ERROR:
            await self._refuse(context, grpc.StatusCode[fault.code], "The emulator was told to fail.")
        if fault.kind is FirestoreFaultKind.SLOW:
            await self._clock.sleep(fault.seconds)
        if fault.kind is FirestoreFaultKind.HANG:
            await asyncio.Event().wait()
        return fault

    async def _after(self, fault: FirestoreFault | None, context: Any) -> None:
        if fault is not None and fault.kind is FirestoreFaultKind.LOST:
            await self._refuse(context, grpc.StatusCode.UNAVAILABLE, "The emulator was told to lose the answer.")

    async def _refuse(self, context: Any, code: grpc.StatusCode, message: str) -> None:
        self.counts[code.name] += 1
        await context.abort(code, message)

    async def _admin(self, request: Request, wire: Wire) -> Response | None:
        """``plan`` and ``clock`` as in all emulators; ``POST expire`` runs the TTL policy, ``GET state`` counts."""
        del wire
        shared = answer_shared(request, self.faults, self.clock, self._replace_plan, dict)
        if shared is not None:
            return shared
        if (request.method, request.path) == ("POST", "/_emulator/expire"):
            return Response.of({"deleted": self.database.expire(self._ttl_field)})
        if (request.method, request.path) != ("GET", "/_emulator/state"):
            return Response.of({"error": f"{request.method} {request.path} is not an admin call"}, 404)
        return Response.of({"documents": len(self.database.documents), "calls": dict(self.counts)})

    def _replace_plan(self, table: object, lease: float | None) -> None:
        self.faults.set(parse_faults(table, FirestoreFault), lease)


@contextlib.asynccontextmanager
async def running(emulator: FirestoreEmulator) -> AsyncIterator[FirestoreEmulator]:
    """Runs the emulator for the block.

    Raises: OSError when its address cannot be used.
    """
    await emulator.start()
    try:
        yield emulator
    finally:
        await emulator.aclose()
