"""Background removal by another perkie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.bootstrap.engines.guard import build_guard
from perkie_cli.engines.remote import RemoteEngine
from perkie_cli.resilience.guarded import GuardedMattingEngine
from perkie_cli.resilience.retry import TimeRules
from perkie_cli.resilience.upstream_limits import UpstreamPolicy
from perkie_cli.system.current_request import outgoing_headers

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def remote_matting(its: Services) -> GuardedMattingEngine:
    """The client of the other perkie, inside a guard."""
    matting = its.settings.matting
    assert matting.remote_url is not None, "the engine is only offered if an address is set"
    key = its.resolved(matting.remote_key)
    shown = None if key is None else key.reveal()
    engine = RemoteEngine(matting.remote_url, key=shown, workers=its.workers, clock=its.clock, headers=outgoing_headers)
    # No limits: it is a perkie and refuses excess work itself. A cold start of the GPU service takes 30 to 60 s.
    guard = build_guard("matting", its.clock, its.events, UpstreamPolicy(), TimeRules(max_attempt=120.0))
    return GuardedMattingEngine(engine, guard)
