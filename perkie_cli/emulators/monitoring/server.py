"""The emulated Cloud Monitoring: gRPC services, and the admin API over HTTP under ``/_emulator``."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
import grpc.aio

from perkie_cli.emulators.admin import answer_shared
from perkie_cli.emulators.fault_plan import Faults, parse_faults
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.emulators.monitoring.calls import Call, MonitoringFault, MonitoringFaultKind, Refused, Service
from perkie_cli.emulators.monitoring.time_series import TimeSeries
from perkie_cli.emulators.monitoring.whole import Configuration
from perkie_cli.emulators.skew import SkewedClock
from perkie_cli.ports import Clock


class MonitoringEmulator:
    """One emulated Cloud Monitoring. ``port`` 0 picks a free one; everything is in memory and lost at the end."""

    def __init__(
        self,
        clock: Clock,
        *,
        plan: Sequence[MonitoringFault] = (),
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        admin_port: int = 0,
    ) -> None:
        self.clock = SkewedClock(clock)
        self.time_series = TimeSeries(self.clock)
        self.faults = Faults(clock, plan, seed)
        self.counts: Counter[str] = Counter()
        self.admin = HttpServer(self._admin, host, admin_port)
        self.configuration = Configuration(self.clock, self.time_series.descriptors)
        self._services: Sequence[Service] = (self.time_series, *self.configuration.services)
        self._clock = clock
        self._host, self._port = host, port
        self._server: Any = None

    @property
    def address(self) -> str:
        """The value for ``MONITORING_EMULATOR_HOST``."""
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Starts the servers. Raises: OSError when an address cannot be used."""
        # Without so_reuseport=0 two emulators could share one port, and each would get part of the calls.
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers(tuple(map(self._handlers, self._services)))
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

    def _handlers(self, service: Service) -> Any:
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                self._answering(name, call),
                request_deserializer=call.request.FromString,
                response_serializer=lambda answer: answer.SerializeToString(),
            )
            for name, call in service.calls().items()
        }
        return grpc.method_handlers_generic_handler(service.name, handlers)

    def _answering(self, name: str, call: Call) -> Callable[[Any, Any], Awaitable[Any]]:
        async def answer(request: Any, context: Any) -> Any:
            self.counts[name] += 1
            try:
                await self._suffer(name)
                return await call.answer(request)
            except Refused as refused:
                self.counts[refused.code.name] += 1
                await context.abort(refused.code, refused.message, refused.trailers)

        return answer

    async def _suffer(self, name: str) -> None:
        """Carries out the fault that is planned for this call, if any. Raises: Refused."""
        fault = self.faults.choose(lambda fault: fault.fits(name))
        if fault is None:
            return
        if fault.kind is MonitoringFaultKind.ERROR:
            raise Refused(grpc.StatusCode[fault.code], "The emulator was told to fail.")
        if fault.kind is MonitoringFaultKind.SLOW:
            await self._clock.sleep(fault.seconds)
        else:
            await asyncio.Event().wait()

    async def _admin(self, request: Request, wire: Wire) -> Response | None:
        """``plan`` and ``clock`` as in all emulators; ``GET state`` counts calls, series and resources."""
        del wire
        shared = answer_shared(request, self.faults, self.clock, self._replace_plan, dict)
        if shared is not None:
            return shared
        if (request.method, request.path) != ("GET", "/_emulator/state"):
            return Response.of({"error": f"{request.method} {request.path} is not an admin call"}, 404)
        return Response.of(
            {"series": len(self.time_series.series), "calls": dict(self.counts), **self.configuration.counts}
        )

    def _replace_plan(self, table: object, lease: float | None) -> None:
        self.faults.set(parse_faults(table, MonitoringFault), lease)


@contextlib.asynccontextmanager
async def running(emulator: MonitoringEmulator) -> AsyncIterator[MonitoringEmulator]:
    """Runs the emulator for the block.

    Raises: OSError when its address cannot be used.
    """
    await emulator.start()
    try:
        yield emulator
    finally:
        await emulator.aclose()
