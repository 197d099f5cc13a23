"""Gemini's image models for ``perkie models``: price, shutdown date, and whether the API lists them."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING

from perkie_cli.cli.models.rows import ImageModelRow
from perkie_cli.cli.render import Report
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import ChangesPending
from perkie_cli.domain.money.price_list import SIDES, ImageModel
from perkie_cli.domain.money.spend import dollars

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services


def listed(services: Services) -> Report:
    """Every image model with price and shutdown date, from the data alone."""
    return _report(services, None)


async def checked(services: Services) -> Report:
    """The same, plus whether the API currently lists each model.

    The report's error is ChangesPending when the model in use is shut down, will be within 30 days, or is not listed.
    Raises: NotAuthorised, Unavailable.
    """
    live = await services.gemini.live_models()
    return _report(services, live, _finding(services, live))


def _report(services: Services, live: Collection[str] | None, error: ChangesPending | None = None) -> Report:
    results, rows = [], []
    for model in services.models.all():
        state = _state(services, model, live)
        prices = _prices(model)
        results.append(
            ImageModelRow(
                model.id,
                model.title,
                state,
                model.id == services.settings.gemini.model,
                prices,
                _prices(model.batched()),
                model.retires,
                model.successor,
            )
        )
        priced = [dollars(prices[size]) if size in prices else "" for size in SIDES]
        rows.append((model.id, *priced, model.retires or "", state))
    table = Table(("image model", *SIDES, "shut down", "state"), rows, frozenset(SIDES))
    return Report(results, {"model": services.settings.gemini.model}, [table], error, error.exit_code if error else 0)


def _prices(model: ImageModel) -> dict[str, Decimal]:
    """Dollars of a picture, photo and prompt aside, by size."""
    return {size: model.cost(0, tokens, 0) for size, tokens in model.image_tokens.items()}


def _state(services: Services, model: ImageModel, live: Collection[str] | None) -> str:
    today = services.clock.now().date()
    if model.retired(today):
        return "shut down"
    if live is not None and model.id not in live:
        return "not listed by the API"
    if model.warning(today):
        return "shut down soon"
    used = ""
    if model.id == services.settings.gemini.model:
        used = "in use" if services.drawing_choice.meant() == "gemini" else "would be used with a key"
    return used if live is None else ", ".join(filter(None, ("lives", used)))


def _finding(services: Services, live: Collection[str]) -> ChangesPending | None:
    wanted = services.settings.gemini.model
    model = next((each for each in services.models.all() if each.id == wanted), None)
    if warning := model and model.warning(services.clock.now().date()):
        return ChangesPending(warning, hint="Set gemini.model.")
    if wanted in live and model is not None:
        return None
    said = "is not listed by the API" if model is not None else "has no price here"
    return ChangesPending(f"model {wanted} {said}", hint="Set gemini.model, or add it to your models.toml.")
