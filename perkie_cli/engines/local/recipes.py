"""The drawings of the local engine by id, with their parameters. Imports neither numpy nor OpenCV."""

import dataclasses
import difflib
import importlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.pictures.style import ParameterFacts
from perkie_cli.engines.local.looks import BlackAndWhite, InkWash, Look, Parameter, VanGogh

if TYPE_CHECKING:
    from perkie_cli.engines.local.planes import Bytes
    from perkie_cli.engines.local.scene.subject import Scene

Painter = Callable[["Scene", Any, int], "Bytes"]  # (scene, look, seed) -> (h, w, 3)


@dataclass(frozen=True)
class LocalRecipe:
    """One way to draw. ``version`` is part of the cache key: increase it with every visible change."""

    id: str
    version: str
    look: type[Look]
    replaces: float  # trust in the pet's map, 0..1, from which `auto` may replace the background
    relies: float = 0.5  # trust in the pet's map from which it is better than a soft guess

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """The declared parameters by name."""
        return MappingProxyType({field.name: field.metadata["parameter"] for field in dataclasses.fields(self.look)})

    def settle(self, values: Mapping[str, object]) -> Look:
        """The look for ``values``; missing ones keep their defaults.

        Raises: InvalidParameter, with the nearest name or the allowed range.
        """
        for _, wrong in self.faults(values):
            raise wrong
        return self.look(**cast(Mapping[str, Any], {name: _plain(value) for name, value in values.items()}))

    def faults(self, values: Mapping[str, object]) -> Iterator[tuple[str, InvalidParameter]]:
        """Each name whose value cannot be used, with the reason."""
        for name, value in values.items():
            if name not in self.parameters:
                known = ", ".join(self.parameters)
                yield (
                    name,
                    InvalidParameter(
                        f"the recipe {self.id} has no parameter {name[:60]!r}",
                        hint=_nearest(name, self.parameters, known),
                    ),
                )
            elif not (allowed := self.parameters[name]).accepts(value):
                yield (
                    name,
                    InvalidParameter(
                        f"{name} of the recipe {self.id} must be {allowed.allowed}, not {value!r:.60}",
                        hint=f"{name}: {allowed.help} (default {allowed.default})",
                    ),
                )

    def facts(self) -> Sequence[ParameterFacts]:
        """The declared parameters, for people and for JSON."""
        return [ParameterFacts(name, it.default, it.allowed, it.help) for name, it in self.parameters.items()]

    def painter(self) -> Painter:
        """The drawing function; its module, and numpy and OpenCV with it, are imported here."""
        module = importlib.import_module(f"{__package__}.{self.id}")
        return cast(Painter, module.paint)


RECIPES: Final[Mapping[str, LocalRecipe]] = MappingProxyType(
    {
        recipe.id: recipe
        for recipe in (
            LocalRecipe("ink_wash", "7", InkWash, 0.8, relies=0.1),
            LocalRecipe("van_gogh", "7", VanGogh, 0.83, relies=0.1),
            LocalRecipe("bw_fine_art", "4", BlackAndWhite, math.inf),
        )
    }
)


def find_recipe(recipe_id: str) -> LocalRecipe:
    """The recipe of that id.

    Raises: InvalidParameter, with the nearest id.
    """
    if recipe_id not in RECIPES:
        known = ", ".join(RECIPES)
        raise InvalidParameter(f"unknown local recipe {recipe_id[:60]!r}", hint=_nearest(recipe_id, RECIPES, known))
    return RECIPES[recipe_id]


def drawing_faults(recipe: str, parameters: Mapping[str, object]) -> Iterator[tuple[str, InvalidParameter]]:
    """What a style file says wrongly below ``[local]``: ``recipe`` or ``parameters.NAME``, with the reason."""
    try:
        found = find_recipe(recipe)
    except InvalidParameter as error:
        yield "recipe", error
        return
    for name, wrong in found.faults(parameters):
        yield f"parameters.{name}", wrong


def _plain(value: object) -> object:
    """Normalises numbers: TOML distinguishes 1 from 1.0; drawings and their cache keys do not."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _nearest(name: str, names: Mapping[str, object], known: str) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}? Known are: {known}." if near else f"Known are: {known}."
