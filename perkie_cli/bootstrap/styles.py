"""The available styles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.config.styles import check_styles, load_styles
from perkie_cli.domain.events import StyleLeftOut
from perkie_cli.domain.pictures.style import BrokenStyle, ParameterFacts, Style, StyleCatalogue
from perkie_cli.engines.local.recipes import RECIPES, drawing_faults

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def styles(its: Services) -> StyleCatalogue:
    """The shipped styles and the user's own; broken files of their own are reported and left out."""
    book = load_styles(its.styles_dir, drawing_faults)
    for broken in book.broken:
        its.events.emit(StyleLeftOut(broken.error.message, broken.error.hint))
    return book


def style_check(its: Services) -> Callable[[Sequence[Path]], Sequence[Style | BrokenStyle]]:
    """Reads the named style files, or all of the styles folder, beside the other styles."""
    return partial(check_styles, its.styles_dir, check=drawing_faults)


def style_parameters(its: Services) -> Mapping[str, Sequence[ParameterFacts]]:
    """The parameters of each drawing, by its recipe's id."""
    del its
    return {name: recipe.facts() for name, recipe in RECIPES.items()}
