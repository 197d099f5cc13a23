"""``/health``, ``/ready``, ``/warmup`` and ``/metrics``."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

import perkie_cli
from perkie_cli.auth.principal import Scope
from perkie_cli.http.answer.document import problems
from perkie_cli.http.answer.operation_schemas import HealthAnswer, ReadyAnswer, WarmupAnswer
from perkie_cli.http.parts import parts_of
from perkie_cli.http.request.accept import JSON
from perkie_cli.http.request.call import Call, calling
from perkie_cli.http.warmup import warm_up

router = APIRouter(tags=["operations"])
warmups = APIRouter(tags=["operations"])  # separate: the widget calls it through the shop's proxy


@router.get(
    "/health",
    operation_id="health",
    summary="Check that the process is alive",
    response_model=HealthAnswer,
    responses=problems(400),
)
async def health() -> Response:
    """Whether the process is alive. Checks nothing else."""
    return _json({"status": "ok", "version": perkie_cli.__version__})


@router.get(
    "/ready",
    operation_id="ready",
    summary="Check that the dependencies answer",
    response_model=ReadyAnswer,
    responses={503: {"description": "Not ready", "model": ReadyAnswer}, **problems(400)},
)
async def ready(request: Request) -> Response:
    """Whether everything that this role needs answers; optional parts that do not are named as degraded."""
    parts = parts_of(request)
    states = await parts.readiness.look()
    down = [each for each, state in states.items() if state != "ok"]
    failed = any(each.required for each in down)
    status = "stopping" if parts.shutdown.begun else "unavailable" if failed else "ready"
    probes = {each.name: each.next_probe() for each in states if each.next_probe is not None}
    body = {
        "status": status,
        "dependencies": {each.name: state for each, state in states.items()},
        "degraded": sorted(each.name for each in down if not each.required),
        "breakers": {
            name: {"state": probe.state, "next_probe": probe.at, "wait": round(probe.wait, 1)}
            for name, probe in probes.items()
            if probe is not None
        },
    }
    return _json(body, 200 if status == "ready" else 503)


@warmups.post(
    "/warmup",
    operation_id="warmup",
    summary="Load everything that the first picture needs",
    response_model=WarmupAnswer,
    responses=problems(401, 403, 422, 429, 503, 504),
)
async def warmup(call: Annotated[Call, Depends(calling(None))]) -> Response:
    """Loads everything that the first picture would wait for. The number per hour is limited; more do nothing."""
    parts = call.parts
    verdict = parts.warmups.take("server", parts.services.clock.monotonic())
    if not verdict.allowed:
        return _json({"status": "skipped", "loaded": [], "seconds": 0.0})
    clock = parts.services.clock
    began = clock.monotonic()
    loaded = await call.work(lambda: warm_up(parts), parts.settings.cutout_deadline)
    return _json({"status": "warm", "loaded": loaded, "seconds": round(clock.monotonic() - began, 3)})


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Show the metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(401, 403, 422)},
)
async def metrics(call: Annotated[Call, Depends(calling(Scope.METRICS, costly=False))]) -> Response:
    """Prometheus metrics of this process."""
    services = call.parts.services
    await services.readings.take()
    return Response(services.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, JSON)
