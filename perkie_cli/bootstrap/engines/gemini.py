"""Google's image models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from perkie_cli.bootstrap.engines.guard import build_guard
from perkie_cli.config.schema import KEY_NAMES, GeminiSettings, Settings
from perkie_cli.domain.events import SettingShadowed
from perkie_cli.engines.gemini.batches import GeminiBatches
from perkie_cli.engines.gemini.client import Access
from perkie_cli.engines.gemini.engine import GeminiEngine
from perkie_cli.engines.meter import Meter
from perkie_cli.resilience.guarded import GuardedStyleEngine
from perkie_cli.resilience.retry import TimeRules
from perkie_cli.resilience.upstream_limits import UpstreamPolicy
from perkie_cli.stores.secrets import resolved

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services
    from perkie_cli.ports import EventSink
    from perkie_cli.ports.batch_api import BatchApi


def gemini(its: Services) -> GuardedStyleEngine:
    """The engine inside its guard. Wrong settings raise only with the first picture, inside the guard, so that the
    ladder can still serve a customer.
    """
    _tell_of_second_key(its.environ, its.events)
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
    times = TimeRules(substitute=its.local_pace)
    return GuardedStyleEngine(engine, build_guard("gemini", its.clock, its.events, _limits(settings), times), its.clock)


def batch_api(its: Services) -> BatchApi:
    """The Batch API of the same account: half the price, within a day."""
    return GeminiBatches(
        _access(its.settings),
        its.models,
        default_model=its.settings.gemini.model,
        workers=its.workers,
        io=its.io,
        clock=its.clock,
    )


def _limits(gemini: GeminiSettings) -> UpstreamPolicy:
    return UpstreamPolicy(
        per_minute=gemini.calls_per_minute,
        tokens_per_minute=gemini.tokens_per_minute,
        per_day=gemini.calls_per_day,
        concurrent=gemini.concurrent,
    )


def _access(settings: Settings) -> Access:
    gemini = settings.gemini
    # GOOGLE_CLOUD_PROJECT sets firestore.project. As in the SDK, a project takes precedence over a key.
    project = (gemini.project or settings.firestore.project) if gemini.vertexai else None
    return Access(gemini.api_key, gemini.base_url, project, gemini.location, resolve=resolved, vertex=gemini.vertexai)


def _tell_of_second_key(environ: Mapping[str, str], events: EventSink) -> None:
    """Reports that both names of the key are set and differ, as the SDK does."""
    used, other = (environ.get(name) for name in KEY_NAMES)
    if used and other and used != other and not environ.get("PERKIE_GEMINI_API_KEY"):
        events.emit(SettingShadowed("gemini.api_key", *KEY_NAMES))
