"""The guard around one upstream."""

from __future__ import annotations

import random

from perkie_cli.ports import Clock, EventSink
from perkie_cli.resilience.breaker import Breaker
from perkie_cli.resilience.guard import Guard
from perkie_cli.resilience.retry import TimeRules
from perkie_cli.resilience.retry_budget import RetryBudget
from perkie_cli.resilience.upstream_limits import UpstreamLimits, UpstreamPolicy


def build_guard(upstream: str, clock: Clock, events: EventSink, policy: UpstreamPolicy, times: TimeRules) -> Guard:
    """A guard with its own breaker, retry budget and limits for this ``upstream``."""
    rng = random.Random()  # noqa: S311 -- jitter, no secrets
    return Guard(
        clock=clock,
        rng=rng,
        breaker=Breaker(upstream, clock, events=events),
        limits=UpstreamLimits(upstream, clock, rng, policy),
        retry_budget=RetryBudget(clock),
        times=times,
        events=events,
    )
