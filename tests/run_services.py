"""An emulated Cloud Run with one service, and the client to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
from google.cloud import run_v2
from google.cloud.run_v2.services.services.transports import ServicesGrpcAsyncIOTransport

from perkie_cli.domain.deploy.live import LiveService
from perkie_cli.emulators.cloud_run.server import RunEmulator
from perkie_cli.emulators.run import running
from perkie_cli.stores.google.run_services import EMULATOR, GoogleRunServices
from perkie_cli.system.clock import SystemClock

PROJECT, REGION, SERVICE = "a-project", "europe-west4", "perkie-artistic"
PARENT = f"projects/{PROJECT}/locations/{REGION}"
NAME = f"{PARENT}/services/{SERVICE}"
OLD = f"old@sha256:{'0' * 64}"
NEW = f"new@sha256:{'1' * 64}"


@dataclass
class Cloud:
    """``google``: Google's own client; ``run``: ours."""

    emulator: RunEmulator
    google: Any
    run: GoogleRunServices

    @property
    def environ(self) -> Mapping[str, str]:
        return {EMULATOR: self.emulator.address}

    async def service(self) -> Any:
        return await self.google.get_service(name=NAME)

    async def settled(self) -> LiveService:
        """The service once nothing is on its way."""
        while True:
            live = await self.run.read(SERVICE)
            if live.ready is not None:
                return live
            await asyncio.sleep(0.005)


@asynccontextmanager
async def cloud(**options: Any) -> AsyncIterator[Cloud]:
    """With the service at its first revision, ``perkie-artistic-00001-emu``, which has all the traffic by LATEST."""
    emulator = RunEmulator(SystemClock(), **{"rollout": 0.02, **options})
    async with running(emulator):
        channel = grpc.aio.insecure_channel(emulator.address)
        google = run_v2.ServicesAsyncClient(transport=ServicesGrpcAsyncIOTransport(channel=channel))
        run = GoogleRunServices(PROJECT, REGION, {EMULATOR: emulator.address}, timeout=5.0)
        try:
            made = run_v2.Service(template={"containers": [{"image": OLD}]})
            await google.create_service(parent=PARENT, service_id=SERVICE, service=made)
            its = Cloud(emulator, google, run)
            await its.settled()
            yield its
        finally:
            await run.aclose()
            await google.transport.close()  # type: ignore[no-untyped-call]
