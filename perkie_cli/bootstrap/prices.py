"""The prices of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.config.load import user_config_dir
from perkie_cli.config.models import load_models
from perkie_cli.domain.money.price_list import ModelCatalogue

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def models(its: Services) -> ModelCatalogue:
    """Image models and their prices."""
    named = its.settings.gemini.models_file
    return load_models(named or user_config_dir(its.environ) / "models.toml", required=named is not None)
