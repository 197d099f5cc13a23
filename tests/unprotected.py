"""`perkie serve` without one of its protections, to show that the chaos experiments notice.

``python -m tests.unprotected breaker --port 0``
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from perkie_cli.bootstrap import Overrides, Profile, Services, build_services
from perkie_cli.config.load import load
from perkie_cli.domain.errors import QuotaExceeded, StoreUnavailable
from perkie_cli.domain.quotas.limits import Charge
from perkie_cli.engines.local.engine import LocalStyleEngine
from perkie_cli.http.server import serve
from perkie_cli.ports import Rendering, RenderJob
from perkie_cli.resilience.breaker import Breaker, BreakerPolicy
from perkie_cli.resilience.guard import Guard
from perkie_cli.resilience.guarded import GuardedStyleEngine
from perkie_cli.resilience.retry import TimeRules
from perkie_cli.resilience.retry_budget import RetryBudget
from perkie_cli.resilience.upstream_limits import UpstreamLimits, UpstreamPolicy
from perkie_cli.services.quotas.quotas import QuotaRules, Quotas, Reservation
from perkie_cli.stores.memory import MemoryDocuments
from perkie_cli.telemetry.log import EventLog

NEVER = 10**9


# ---------------------------------------------------------------- breaker, retry, time limits, fallback


def without_breaker(usual: Services) -> Overrides:
    """The breaker never opens."""
    clock, rng = usual.clock, random.Random()
    policy = BreakerPolicy(consecutive=NEVER, least_calls=NEVER)
    guard = Guard(
        clock=clock,
        rng=rng,
        breaker=Breaker("gemini", clock, policy),
        limits=UpstreamLimits("gemini", clock, rng, UpstreamPolicy()),
        retry_budget=RetryBudget(clock),
        times=TimeRules(),
        events=usual.events,
    )
    return {"gemini": GuardedStyleEngine(usual.gemini._engine, guard, clock)}  # noqa: SLF001


class Unguarded(GuardedStyleEngine):
    """One attempt, as long as it takes."""

    async def render(self, job: RenderJob) -> Rendering:
        return await self._engine.render(job)


def without_guard(usual: Services) -> Overrides:
    return {"gemini": Unguarded(usual.gemini._engine, usual.gemini.guard, usual.clock)}  # noqa: SLF001


class NoLocalEngine(LocalStyleEngine):
    async def render(self, job: RenderJob) -> Rendering:
        raise StoreUnavailable("there is no local engine")


def without_fallback(usual: Services) -> Overrides:
    return {"local": NoLocalEngine(usual.drawing)}


def without_stand_in(usual: Services) -> Overrides:
    """Nothing cuts out when the remote service does not."""
    return {"matting_engines": {"auto": usual.remote_matting, "remote": usual.remote_matting}}


# ---------------------------------------------------------------- quotas


class CheckThenCount(Quotas):
    """Looks whether there is quota, draws, and counts: what many do who have not met two requests at once."""

    @asynccontextmanager
    async def reserve(self, charge: Charge, seconds: float) -> AsyncIterator[Reservation]:
        status = await self.status(charge)
        if status is not None and status.remaining <= 0:
            raise QuotaExceeded("used up", retry_after=60)
        reservation = Reservation(self, charge, seconds)
        reservation.counters = self._book
        yield reservation


def _quotas(usual: Services, kind: Callable[..., Quotas] = Quotas, **rules: Any) -> Overrides:
    return {"quotas": kind(usual.documents, MemoryDocuments(), QuotaRules(**rules), usual.clock, usual.events)}


def without_reservation(usual: Services) -> Overrides:
    return _quotas(usual, CheckThenCount)


def without_lease(usual: Services) -> Overrides:
    """Reservations of a dead server stay for a day."""
    return _quotas(usual, margin=86_400.0)


def without_memory(usual: Services) -> Overrides:
    """While the store is down, nobody gets a picture."""
    return _quotas(usual, when_down="deny")


# ---------------------------------------------------------------- the store


class Blobs:
    """The usual store, with every call by ``how``."""

    def __init__(self, inner: Any, how: Callable[..., Any]) -> None:
        self._inner, self._how = inner, how

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in ("put", "get", "head", "copy", "touch"):
            return found

        async def called(*args: Any, **more: Any) -> Any:
            return await self._how(lambda: found(*args, **more))

        return called


def without_translation(usual: Services) -> Overrides:
    """A failing store is an error that nobody expects."""

    async def call(once: Callable[[], Any]) -> Any:
        try:
            return await once()
        except StoreUnavailable as error:
            raise RuntimeError("a 503 that nobody caught") from error

    return {"blobs": Blobs(usual.blobs, call)}


def without_time_limit(usual: Services) -> Overrides:
    """A store is waited for as long as it takes."""

    async def call(once: Callable[[], Any]) -> Any:
        while True:
            try:
                return await once()
            except StoreUnavailable:
                await asyncio.sleep(0.1)

    return {"blobs": Blobs(usual.blobs, call)}


# ---------------------------------------------------------------- the server


def without_shutdown(usual: Services) -> Overrides:
    """SIGTERM ends the process at once."""
    asyncio.get_running_loop().call_later(0.5, _end_at_once)
    return {}


def _end_at_once() -> None:
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


PROTECTIONS: Mapping[str, Callable[[Services], Overrides]] = {
    "breaker": without_breaker,
    "guard": without_guard,
    "fallback": without_fallback,
    "stand_in": without_stand_in,
    "reservation": without_reservation,
    "lease": without_lease,
    "memory": without_memory,
    "translation": without_translation,
    "time_limit": without_time_limit,
    "shutdown": without_shutdown,
    "none": lambda usual: {},
}


async def run(protection: str, port: int) -> None:
    settings = load(flags={"http.port": port}).settings
    usual = build_services(settings, profile=Profile.SERVER, listener=EventLog())
    parts: Overrides = {"listener": EventLog(), **PROTECTIONS[protection](usual)}
    services = build_services(settings, profile=Profile.SERVER, **parts)
    try:
        await serve(services, lambda address: print(f"listening on {address}", file=sys.stderr, flush=True))
    finally:
        await usual.aclose()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("protection", choices=PROTECTIONS)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(args.protection, args.port))


if __name__ == "__main__":
    main()
