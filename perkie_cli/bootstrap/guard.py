"""The guard around one upstream, by the settings."""

from __future__ import annotations

import random

from perkie_cli.config.schema import Settings
from perkie_cli.ports import Clock, EventSink
from perkie_cli.resilience.breaker import Breaker
from perkie_cli.resilience.guard import Guard
from perkie_cli.resilience.retry import TimeRules
from perkie_cli.resilience.retry_budget import RetryBudget
from perkie_cli.resilience.upstream_limits import UpstreamLimits, UpstreamPolicy


def build_guard(
    settings: Settings, upstream: str, clock: Clock, events: EventSink, times: TimeRules | None = None
) -> Guard:
    """Breaker, retry budget and limits of its own for each ``upstream``; the limits are those set for Gemini."""
    gemini, rng = settings.gemini, random.Random()  # noqa: S311 -- jitter, no secrets
    policy = UpstreamPolicy(
        per_minute=gemini.calls_per_minute,
        tokens_per_minute=gemini.tokens_per_minute,
        per_day=gemini.calls_per_day,
        concurrent=gemini.concurrent,
    )
    return Guard(
        clock=clock,
        rng=rng,
        breaker=Breaker(upstream, clock, events=events),
        limits=UpstreamLimits(upstream, clock, rng, policy),
        retry_budget=RetryBudget(clock),
        times=times or TimeRules(),
        events=events,
    )
