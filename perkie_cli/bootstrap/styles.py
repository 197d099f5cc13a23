"""What there is to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.config.styles import load_styles
from perkie_cli.domain.pictures.style import StyleBook

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def styles(its: Services) -> StyleBook:
    """Shipped and own styles."""
    return load_styles(its.styles_dir)
