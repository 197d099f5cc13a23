"""What draws a picture in a style, and what cuts a pet out."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.money.spend import Receipt, Usage
from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.domain.pictures.style import Style

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from perkie_cli.domain.picture import EncodedPicture
    from perkie_cli.imaging.raster import Raster


@dataclass(frozen=True, slots=True)
class RenderJob:
    """One picture to draw. ``size``: long side of the result in px."""

    raster: Raster
    style: Style
    size: int
    deadline: Deadline = field(default_factory=Deadline.never)
    model: str | None = None
    safe: bool = False  # use the style's safe prompt
    patient: bool = False  # rather wait, as long as it takes within the deadline, than go without
    cutout: str | None = None  # fingerprint of the recipe that cut the raster out, where one did
    receipt: Receipt = field(default_factory=Receipt)  # filled in as calls are made


@dataclass(frozen=True, slots=True)
class Rendering:
    """What an engine drew. ``paid``: the picture as the upstream sent it, to be kept where ours cannot be encoded."""

    raster: Raster
    engine: str
    model: str
    usage: Usage = field(default_factory=Usage)
    warnings: tuple[str, ...] = ()
    paid: EncodedPicture | None = None


class StyleEngine(Protocol):
    """Draws a picture in a style."""

    @property
    def name(self) -> str:
        """``gemini`` or ``local``."""

    def recipe(self, style: Style, size: int, model: str | None = None) -> Recipe:
        """What decides the look of ``render`` for this style, for the cache key."""

    async def render(self, job: RenderJob) -> Rendering:
        """Raises: BadInput, NotAuthorised, Unavailable, Blocked, LimitReached."""

    async def aclose(self) -> None:
        """Frees connections."""


@dataclass(frozen=True, slots=True)
class MattingJob:
    """One picture to find the subject of. ``encoded`` is the upload as it came, for an engine that sends it on."""

    raster: Raster
    mode: str = "base"
    deadline: Deadline = field(default_factory=Deadline.never)
    encoded: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """What a matting engine found.

    ``alpha`` is uint8 (height, width) of the job's raster; ``confidence`` 0..1, before any stretching; ``device`` what
    really ran; ``notes`` are sentences for the user.
    """

    alpha: NDArray[np.uint8]
    confidence: float
    engine: str
    model: str
    device: str
    notes: tuple[str, ...] = ()


class MattingEngine(Protocol):
    """Separates the subject from its background."""

    @property
    def name(self) -> str:
        """``inspyrenet``, ``builtin`` or ``remote``."""

    def recipe(self, mode: str) -> Recipe:
        """What decides the matte besides the picture, for the cache key.

        Raises: InvalidParameter for a mode that it does not have.
        """

    async def matte(self, job: MattingJob) -> Matte:
        """Raises: MissingExtra, MissingWeights, MissingDevice, Unavailable, InvalidParameter."""

    async def aclose(self) -> None:
        """Frees the model and connections."""


@runtime_checkable
class WarmableMatting(MattingEngine, Protocol):
    """A matting engine that loads a model in this process."""

    async def warm_up(self, mode: str) -> str:
        """Loads the mode's model ahead of the first picture; the device that it is on. Raises: as ``matte``."""


@runtime_checkable
class WarmableEngine(StyleEngine, Protocol):
    """A style engine whose first picture costs imports or connections."""

    async def warm_up(self) -> None:
        """Loads what the first picture would else wait for. Raises: MissingCredentials."""


@runtime_checkable
class PricedEngine(WarmableEngine, Protocol):
    """A style engine whose pictures cost money."""

    def price(self, size: int, model: str | None = None) -> Decimal:
        """Dollars that one picture with that long side in px is expected to take.

        Raises: RetiredModel, InvalidParameter.
        """

    async def live_models(self) -> set[str]:
        """Ids of the models that the upstream lists now. Raises: NotAuthorised, Unavailable."""
