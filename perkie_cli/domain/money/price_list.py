"""Image models as data: ids, prices, sizes and the date on which their maker shuts them down."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from perkie_cli.domain.errors import InvalidParameter, RetiredModel
from perkie_cli.domain.frozen import frozen

MILLION = Decimal(1_000_000)
WARN_BEFORE = timedelta(days=30)
HALF = Decimal("0.5")
SIDES = {"1K": 1024, "2K": 2048, "4K": 4096}  # px; what Gemini calls its image sizes


@frozen
class ImageModel:
    """One model. Prices are in dollars per million tokens; ``image_tokens``: tokens per picture, by image size.

    ``input_tokens``: tokens of a usual request (photo and prompt), for estimates. ``reference_side``: a photo with a
    longer side than this, in px, gives no better result. ``batch_share``: of these prices, what the Batch API takes.
    """

    id: str
    title: str
    image_usd: Decimal
    text_usd: Decimal
    input_usd: Decimal
    image_tokens: Mapping[str, int]
    input_tokens: int
    reference_side: int
    retires: date | None = None
    successor: str | None = None
    batch_share: Decimal = HALF

    def image_size(self, long_side: int) -> str:
        """The smallest offered size that holds ``long_side`` px, or the largest there is."""
        offered = [name for name in SIDES if name in self.image_tokens]
        return next((name for name in offered if SIDES[name] >= long_side), offered[-1])

    def price(self, image_size: str) -> Decimal:
        """The estimated cost of one picture in dollars, photo and prompt included."""
        return self.cost(self.input_tokens, self.image_tokens[image_size], 0)

    def cost(self, input_tokens: int, image_tokens: int, text_tokens: int) -> Decimal:
        """Dollars for one call's tokens; thinking counts as text."""
        return (self.input_usd * input_tokens + self.image_usd * image_tokens + self.text_usd * text_tokens) / MILLION

    def batched(self) -> ImageModel:
        """This model at the prices of the Batch API."""
        prices = (self.image_usd, self.text_usd, self.input_usd)
        image, text, taken = (usd * self.batch_share for usd in prices)
        return replace(self, image_usd=image, text_usd=text, input_usd=taken, batch_share=Decimal(1))

    def retired(self, today: date) -> bool:
        """Whether it is shut down."""
        return self.retires is not None and today >= self.retires

    def warning(self, today: date) -> str | None:
        """A sentence when the model has been shut down, or will be within 30 days."""
        if self.retires is None or today < self.retires - WARN_BEFORE:
            return None
        verb = "was shut down" if self.retired(today) else "will be shut down"
        use = f"; use {self.successor}" if self.successor else ""
        return f"model {self.id} {verb} on {self.retires}{use}"


class ModelCatalogue:
    """The models in order."""

    def __init__(self, models: Iterable[ImageModel]) -> None:
        self._models = {model.id: model for model in models}

    def all(self) -> Sequence[ImageModel]:
        """All models, in the order of the file."""
        return tuple(self._models.values())

    def find(self, model_id: str) -> ImageModel:
        """The model of that id, shut down or not.

        Raises: InvalidParameter, with the nearest id.
        """
        model = self._models.get(model_id)
        if model is None:
            near = difflib.get_close_matches(model_id, self._models, n=1, cutoff=0.5)
            guess = f"Did you mean {near[0]!r}? " if near else ""
            raise InvalidParameter(
                f"unknown model {model_id[:60]!r}", hint=f"{guess}`perkie models list` shows all of them."
            )
        return model

    def get(self, model_id: str, today: date) -> ImageModel:
        """The model of that id, if it is still offered.

        Raises: InvalidParameter, with the nearest id; RetiredModel, naming the successor.
        """
        model = self.find(model_id)
        if model.retired(today):
            raise RetiredModel(
                f"model {model.id} was shut down on {model.retires}",
                hint=f"Use --model {model.successor}, or set gemini.model."
                if model.successor
                else "`perkie models list` shows the others.",
            )
        return model
