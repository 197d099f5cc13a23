"""The emulated Cloud Monitoring: its gRPC services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import grpc

from perkie_cli.emulators.monitoring.calls import Service
from perkie_cli.emulators.monitoring.time_series import TimeSeries
from perkie_cli.emulators.monitoring.whole import Configuration
from perkie_cli.emulators.rpc_faults import RpcFault
from perkie_cli.emulators.rpc_server import RpcEmulator, ServerOptions
from perkie_cli.ports import Clock


class MonitoringEmulator(RpcEmulator[RpcFault]):
    """One emulated Cloud Monitoring."""

    fault = RpcFault

    def __init__(self, clock: Clock, **server: Unpack[ServerOptions[RpcFault]]) -> None:
        super().__init__(clock, **server)
        self.time_series = TimeSeries(self.clock)
        self.configuration = Configuration(self.clock, self.time_series.descriptors)

    def _handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        return [self._handler(each) for each in (self.time_series, *self.configuration.services)]

    def _handler(self, service: Service) -> grpc.GenericRpcHandler:
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                self._unary(name, call.answer),
                request_deserializer=call.request.FromString,
                response_serializer=lambda answer: answer.SerializeToString(),
            )
            for name, call in service.calls().items()
        }
        return grpc.method_handlers_generic_handler(service.name, handlers)

    def _state(self) -> Mapping[str, Any]:
        return {"series": len(self.time_series.series), **self.configuration.counts}
