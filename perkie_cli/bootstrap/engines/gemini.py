"""Google's image models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.bootstrap.engines.guard import build_guard
from perkie_cli.config.schema import GeminiSettings, Settings
from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.engines.gemini.client import Access
from perkie_cli.engines.gemini.engine import GeminiEngine
from perkie_cli.engines.meter import Meter
from perkie_cli.resilience.guarded import GuardedStyleEngine
from perkie_cli.resilience.retry import TimeRules
from perkie_cli.resilience.upstream_limits import UpstreamPolicy
from perkie_cli.stores.google.secret_manager import resolved

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def gemini(its: Services) -> GuardedStyleEngine:
    """The engine inside its guard.

    Raises: InvalidSetting.
    """
    settings = its.settings.gemini
    engine = GeminiEngine(
        _access(its.settings),
        its.models,
        default_model=settings.model,
        meter=Meter(its.ledger, settings.daily_cap_usd, its.events),
        workers=its.workers,
        io=its.io,
        clock=its.clock,
    )
    return GuardedStyleEngine(engine, build_guard("gemini", its.clock, its.events, _limits(settings), TimeRules()))


def _limits(gemini: GeminiSettings) -> UpstreamPolicy:
    return UpstreamPolicy(
        per_minute=gemini.calls_per_minute,
        tokens_per_minute=gemini.tokens_per_minute,
        per_day=gemini.calls_per_day,
        concurrent=gemini.concurrent,
    )


def _access(settings: Settings) -> Access:
    gemini = settings.gemini
    if not gemini.vertexai:
        return Access(gemini.api_key, gemini.base_url, resolve=resolved)
    project = gemini.project or settings.firestore.project  # GOOGLE_CLOUD_PROJECT sets the latter
    if project is None:
        raise InvalidSetting("gemini.vertexai is set, but no project", hint="Set GOOGLE_CLOUD_PROJECT.")
    return Access(None, gemini.base_url, project, gemini.location)
