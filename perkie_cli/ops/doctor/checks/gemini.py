"""Gemini: its key, its model, and what is spent on it. Nothing here costs anything."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

from perkie_cli.config.schema import KEY_NAMES
from perkie_cli.domain.errors import ModelGone, PerkieError, UpstreamFault
from perkie_cli.domain.money.spend import dollars
from perkie_cli.domain.pictures.orders import COLLECTION, OVERDUE, Order
from perkie_cli.ops.doctor.said import Said, error, failed, ok, skipped, warning
from perkie_cli.ops.doctor.subject import Subject

GOOGLE = "https://generativelanguage.googleapis.com"

COLLECT = "perkie cache warm --via batch-api"  # collects orders, and gives up those that are too old
WARN_AT = Decimal("0.75")  # of the day's cap
_LOCAL = "pictures are drawn on this machine (no key, or style.engine)"


def upstream(its: Subject) -> str:
    """The address of the API."""
    return its.settings.gemini.base_url or GOOGLE


async def key(its: Subject) -> Sequence[Said]:
    """Whether there is a key (or account), and whether the API accepts it."""
    if not its.draws_with_gemini:
        return [skipped(_LOCAL)]
    engine = await its.blocking(lambda parts: parts.gemini)
    try:
        with suppress(ModelGone):  # the key was accepted; gemini.listed tells of the model
            await engine.reach()
    except UpstreamFault as fault:
        return [failed(fault, f"curl -sSI {upstream(its)}")]
    first, second = (its.parts.environ.get(name) for name in KEY_NAMES)
    if first and second and first != second and not its.parts.environ.get("PERKIE_GEMINI_API_KEY"):
        text = f"{KEY_NAMES[0]} and {KEY_NAMES[1]} differ; the first is used, and accepted"
        return [warning(text, f"unset {KEY_NAMES[1]}")]
    return [ok("the API accepts the key")]


async def model(its: Subject) -> Sequence[Said]:
    """Whether the model is known and lives; a shutdown is told of 30 days before."""
    if not its.draws_with_gemini:
        return [skipped(_LOCAL)]
    models = await its.blocking(lambda parts: parts.models)
    chosen, today = models.find(its.settings.gemini.model), its.parts.clock.now().date()
    soon = chosen.warning(today)
    if soon is None:
        return [ok(f"{chosen.id}, {f'until {chosen.retires}' if chosen.retires else 'no shutdown announced'}")]
    fix = f"export PERKIE_GEMINI_MODEL={chosen.successor}" if chosen.successor else "perkie models list"
    return [(error if chosen.retired(today) else warning)(soon, fix)]


async def listed(its: Subject) -> Sequence[Said]:
    """Whether the API still has the model."""
    if not its.draws_with_gemini:
        return [skipped(_LOCAL)]
    engine = await its.blocking(lambda parts: parts.gemini)
    try:
        await engine.reach()
    except ModelGone as gone:
        return [failed(gone, "perkie models check")]
    except PerkieError:
        return [skipped("the API did not say: see gemini.key")]
    return [ok(f"the API has {its.settings.gemini.model}")]


async def spend(its: Subject) -> Sequence[Said]:
    """What is spent today, against the cap."""
    if not its.draws_with_gemini:
        return [skipped(_LOCAL)]
    cap, spent = its.settings.gemini.daily_cap_usd, await _spent(its)
    text = f"{dollars(spent)} of today's {dollars(cap)} spent"
    if spent >= cap:
        raised = max(cap * 2, Decimal(1))
        return [error(f"{text}: nothing is drawn upstream", f"export PERKIE_GEMINI_DAILY_CAP_USD={raised:f}")]
    if spent >= cap * WARN_AT:
        return [warning(text, "perkie cost report")]
    return [ok(text)]


async def orders(its: Subject) -> Sequence[Said]:
    """Whether orders of the Batch API wait for longer than a day."""
    file = its.settings.quota.path or its.parts.state_dir / "quotas.sqlite"
    if its.settings.quota.store == "sqlite" and not await its.blocking(lambda _: file.exists()):
        return [ok("nothing is on order")]
    store = await its.blocking(lambda parts: parts.documents)
    found = [Order.from_document(*each) async for each in store.scan(COLLECTION)]
    if not found:
        return [ok("nothing is on order")]
    oldest = min(order.made for order in found)
    text = f"{sum(len(order.pictures) for order in found)} pictures on order, since {oldest:%Y-%m-%d %H:%M} UTC"
    if its.parts.clock.now() - oldest > OVERDUE:
        return [warning(f"{text}: over {OVERDUE.days * 24} h", COLLECT)]
    return [ok(text)]


async def _spent(its: Subject) -> Decimal:
    """Without making the ledger's file."""
    file = its.parts.state_dir / "spend.sqlite"
    if its.settings.gemini.ledger == "sqlite" and not await its.blocking(lambda _: file.exists()):
        return Decimal(0)
    ledger = await its.blocking(lambda parts: parts.ledger)
    return await ledger.spent(its.parts.clock.now().date())
