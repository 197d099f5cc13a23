"""Another perkie that cuts out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.bootstrap.engines.guard import build_guard
from perkie_cli.engines.remote import RemoteEngine
from perkie_cli.resilience.guarded_matting import GuardedMattingEngine
from perkie_cli.resilience.retry import TimeRules
from perkie_cli.resilience.upstream_limits import UpstreamPolicy

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def remote_matting(its: Services) -> GuardedMattingEngine:
    """Asks it, inside a guard."""
    matting = its.settings.matting
    assert matting.remote_url is not None, "the engine is only offered where there is an address"
    key = its.resolved(matting.remote_key)
    shown = None if key is None else key.reveal()
    engine = RemoteEngine(matting.remote_url, key=shown, workers=its.workers, clock=its.clock)
    # Ours, so it refuses what is too much for it; a cold start of the GPU service alone takes 30 to 60 s.
    guard = build_guard("matting", its.clock, its.events, UpstreamPolicy(), TimeRules(attempt_at_most=120.0))
    return GuardedMattingEngine(engine, guard)
