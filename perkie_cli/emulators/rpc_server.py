"""The gRPC server of an emulator, with faults by plan, and its admin API over HTTP under ``/_emulator``."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypedDict, TypeVar

import grpc
import grpc.aio

from perkie_cli.emulators.admin import answer_shared, no_admin_call
from perkie_cli.emulators.fault_plan import Faults, parse_faults
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.emulators.rpc_faults import RpcFault, RpcFaultKind
from perkie_cli.emulators.skew import SkewedClock
from perkie_cli.ports import Clock

F = TypeVar("F", bound=RpcFault)


class Refused(Exception):
    """A call that ends with this status; ``trailers`` are its trailing metadata."""

    def __init__(self, code: grpc.StatusCode, message: str, trailers: Sequence[tuple[str, bytes]] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.trailers = tuple(trailers)


def invalid(message: str) -> Refused:
    """The caller's mistake: INVALID_ARGUMENT."""
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, message)


class ServerOptions(TypedDict, Generic[F], total=False):
    """How an emulator is served: ``port`` 0 picks a free one; ``plan`` and ``seed`` of its faults."""

    plan: Sequence[F]
    seed: int
    host: str
    port: int
    admin_port: int


class RpcEmulator(ABC, Generic[F]):
    """One emulated service; everything is in memory and lost at the end. Options: ``ServerOptions``.

    ``fault``: of what its plans consist. ``counts``: calls by name, faults and refusals.
    """

    fault: type[F]

    def __init__(
        self,
        clock: Clock,
        *,
        plan: Sequence[F] = (),
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        admin_port: int = 0,
    ) -> None:
        self.clock = SkewedClock(clock)
        self.faults = Faults(clock, plan, seed)
        self.counts: Counter[str] = Counter()
        self.admin = HttpServer(self._admin, host, admin_port)
        self._clock = clock
        self._host, self._port = host, port
        self._server: Any = None

    @property
    def address(self) -> str:
        """The value for the client's ``…_EMULATOR_HOST``."""
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Starts the servers. Raises: OSError when an address cannot be used."""
        # Without so_reuseport=0 two emulators could share one port, and each would get part of the calls.
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers(self._handlers())
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

    @abstractmethod
    def _handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """The services."""

    @abstractmethod
    def _state(self) -> Mapping[str, Any]:
        """What ``GET state`` tells beside the calls."""

    def _admin_call(self, request: Request) -> Response | None:
        """The answer to an admin call that only this emulator has; None for others."""
        del request
        return None

    def _unary(self, name: str, call: Callable[[Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        """``call`` for gRPC, with faults; what it refuses is counted and sent."""

        async def answer(asked: Any, context: Any) -> Any:
            try:
                fault = await self._before(name)
                made = await call(asked)
                self._after(fault)
            except Refused as refused:
                await self._refuse(context, refused)
            return made

        return answer

    def _choose(self, name: str) -> F | None:
        """The fault that the plan has for this call now, if any."""
        fault = self.faults.choose(lambda fault: fault.fits(name))
        if fault is not None:
            self.counts[f"fault {fault.kind}"] += 1
        return fault

    async def _before(self, name: str) -> F | None:
        """Counts the call and carries out its fault, which it returns. Raises: Refused."""
        self.counts[name] += 1
        fault = self._choose(name)
        if fault is None:
            return None
        if fault.kind == RpcFaultKind.ERROR:
            raise Refused(grpc.StatusCode[fault.code], "The emulator was told to fail.")
        if fault.kind == RpcFaultKind.SLOW:
            await self._clock.sleep(fault.seconds)
        if fault.kind == RpcFaultKind.HANG:
            await asyncio.Event().wait()
        return fault

    def _after(self, fault: F | None) -> None:
        """Raises: Refused, in place of an answer that is to be lost."""
        if fault is not None and fault.kind == RpcFaultKind.LOST:
            raise Refused(grpc.StatusCode.UNAVAILABLE, "The emulator was told to lose the answer.")

    async def _refuse(self, context: Any, refused: Refused) -> None:
        self.counts[refused.code.name] += 1
        await context.abort(refused.code, refused.message, refused.trailers)

    async def _admin(self, request: Request, wire: Wire) -> Response | None:
        """``plan`` and ``clock`` as in all emulators, what this one has of its own, and ``GET state``."""
        del wire
        shared = answer_shared(request, self.faults, self.clock, self._replace_plan, dict)
        if (answer := shared or self._admin_call(request)) is not None:
            return answer
        if (request.method, request.path) != ("GET", "/_emulator/state"):
            return no_admin_call(request)
        return Response.of({**self._state(), "calls": dict(self.counts)})

    def _replace_plan(self, table: object, lease: float | None) -> None:
        self.faults.set(parse_faults(table, self.fault), lease)
