"""A request for a picture, planned."""

from __future__ import annotations

from dataclasses import replace

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.pictures.cache_key import CacheKey, Recipe
from perkie_cli.domain.pictures.request import CacheUse, GenerateRequest
from perkie_cli.domain.pictures.result import Generated
from perkie_cli.domain.pictures.style import BackgroundUse, Style
from perkie_cli.ports import PricedEngine, StyleEngine

LOCAL = "local"


@frozen
class PicturePlan:
    """A request with everything that can be decided before decoding the photo."""

    request: GenerateRequest
    style: Style
    engine: StyleEngine
    size: int
    recipe: Recipe
    key: CacheKey
    cutout: str | None  # fingerprint of the cut-out's recipe, if a cut-out is drawn
    deadline: Deadline
    started: float

    @property
    def ends(self) -> Deadline:
        """The latest time for an answer, substitutes included."""
        return self.deadline.later(self.request.overtime)

    def cut_out_by(self, fingerprint: str) -> PicturePlan:
        """This plan with another cut-out, if a different engine had to make it."""
        if fingerprint == self.cutout:
            return self
        recipe = self.engine.recipe(self.style, self.size, self.request.model).with_cutout(fingerprint)
        return replace(self, cutout=fingerprint, recipe=recipe, key=replace(self.key, fingerprint=recipe.fingerprint))

    @property
    def leased(self) -> str | None:
        """The name under which one of all processes draws this, if it costs money and the others will find it."""
        paid = isinstance(self.engine, PricedEngine) and self.request.cache is CacheUse.NORMAL
        return f"picture {self.key.shared()}" if paid else None

    def remarked(self, found: Generated) -> Generated:
        """With a warning where the engine that drew it does not do what was asked of the background."""
        wanted = self.request.background
        if wanted in (None, BackgroundUse.AUTO) or found.engine == LOCAL:
            return found
        told = f"background={wanted.value} was not applied: {found.engine} decides itself what is behind the pet"
        return replace(found, warnings=(*found.warnings, told))

    def facts(self, made: Generated) -> dict[str, str]:
        """The facts to store with the picture."""
        facts = {"style": made.style, "engine": made.engine, "model": made.model, "recipe": made.fingerprint}
        if made.degradation_reason is not None:
            facts["degraded"] = made.degradation_reason
        if self.cutout is not None:
            facts["cutout"] = self.cutout
        return facts
