"""The available styles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.config.styles import load_styles
from perkie_cli.domain.pictures.style import StyleCatalogue

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def styles(its: Services) -> StyleCatalogue:
    """The shipped styles and the user's own."""
    return load_styles(its.styles_dir)
