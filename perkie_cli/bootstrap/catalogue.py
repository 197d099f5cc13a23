"""What there is to choose from: styles and image models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.config.load import user_config_dir
from perkie_cli.config.models import load_models
from perkie_cli.config.styles import load_styles
from perkie_cli.domain.money.price_list import ModelBook
from perkie_cli.domain.pictures.style import StyleBook

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def styles(its: Services) -> StyleBook:
    """Shipped and own styles."""
    return load_styles(its.styles_dir)


def models(its: Services) -> ModelBook:
    """Image models and their prices."""
    named = its.settings.gemini.models_file
    return load_models(named or user_config_dir(its.environ) / "models.toml", required=named is not None)
