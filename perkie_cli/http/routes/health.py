"""``/health``, ``/ready``, ``/warmup`` and ``/metrics``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

import perkie_cli
from perkie_cli.domain.errors import PerkieError
from perkie_cli.http.accept import JSON
from perkie_cli.http.auth.principal import Scope
from perkie_cli.http.call import Call, calling
from perkie_cli.http.parts import parts_of
from perkie_cli.http.schemas import HealthAnswer, ReadyAnswer, WarmupAnswer, problems
from perkie_cli.http.warmup import warm_up

router = APIRouter()
_PING_WITHIN = 2.0  # seconds


@router.get("/health", operation_id="health", response_model=HealthAnswer)
async def health() -> Response:
    """Whether the process lives. Asks nobody else."""
    return _json({"status": "ok", "version": perkie_cli.__version__})


@router.get(
    "/ready",
    operation_id="ready",
    response_model=ReadyAnswer,
    responses={503: {"description": "Not ready", "model": ReadyAnswer}},
)
async def ready(request: Request) -> Response:
    """Whether everything that this role needs answers; optional parts that do not are named as degraded."""
    parts = parts_of(request)
    services = parts.services
    pings = {"images": services.blobs.ping, "quotas": services.documents.ping}
    required = {"images": False, "quotas": services.settings.quota.when_down == "deny"}
    states = dict(zip(pings, await asyncio.gather(*map(_ping, pings.values())), strict=True))
    failed = [name for name, state in states.items() if state != "ok" and required[name]]
    status = "stopping" if parts.life.stopping else "unavailable" if failed else "ready"
    degraded = sorted(name for name, state in states.items() if state != "ok" and not required[name])
    body = {"status": status, "dependencies": states, "degraded": degraded}
    return _json(body, 200 if status == "ready" else 503)


async def _ping(ping: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(_PING_WITHIN):
            await ping()
    except TimeoutError:
        return "timeout"
    except PerkieError as error:
        return error.code
    return "ok"


@router.post("/warmup", operation_id="warmup", response_model=WarmupAnswer, responses=problems(401, 403, 429, 503, 504))
async def warmup(call: Annotated[Call, Depends(calling(Scope.GENERATE))]) -> Response:
    """Loads what the first picture would have to wait for. At most so many real ones an hour; more do nothing."""
    parts = call.parts
    verdict = parts.warmups.take("server", parts.services.clock.monotonic())
    if not verdict.allowed:
        return _json({"status": "skipped", "loaded": [], "seconds": 0.0})
    clock = parts.services.clock
    began = clock.monotonic()
    loaded = await call.run(warm_up(parts.services, parts.settings.role), parts.settings.cutout_deadline)
    return _json({"status": "warm", "loaded": loaded, "seconds": round(clock.monotonic() - began, 3)})


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **problems(401, 403)},
)
async def metrics(call: Annotated[Call, Depends(calling(Scope.METRICS, costly=False))]) -> Response:
    """Prometheus metrics of this process."""
    return Response(call.parts.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, JSON)
