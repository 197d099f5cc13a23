"""Engines that draw a picture in a style, and engines that cut a pet out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import field
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Receipt, Usage
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.domain.pictures.style import Style

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from perkie_cli.domain.picture import EncodedPicture
    from perkie_cli.imaging.raster import Raster


Sending = Callable[[], AbstractAsyncContextManager[None]]
"""Opened by an engine around the bytes to and from its upstream, and around nothing else, once a job."""


@frozen
class RenderJob:
    """One picture to draw. ``size``: long side of the result in px. ``owner``: whose spending it is."""

    raster: Raster
    style: Style
    size: int
    deadline: Deadline = field(default_factory=Deadline.never)
    model: str | None = None
    safe: bool = False  # use the style's safe prompt
    wait_for_quota: bool = False  # wait for the upstream's quota, up to the deadline, instead of failing
    cutout: str | None = None  # fingerprint of the cut-out's recipe, if the raster was cut out
    receipt: Receipt = field(default_factory=Receipt)  # filled in as calls are made
    owner: Owner = ANONYMOUS
    sending: Sending = nullcontext


@frozen
class Rendering:
    """What an engine drew. ``paid``: the upstream's own file, stored if the picture cannot be encoded again."""

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
        """Everything that decides the look of ``render`` for this style, for the cache key."""

    async def render(self, job: RenderJob) -> Rendering:
        """Draws the picture. Raises: BadInput, NotAuthorised, Unavailable, Blocked, LimitReached."""

    async def aclose(self) -> None:
        """Frees connections."""


@frozen
class MattingJob:
    """One picture whose subject to find. ``encoded`` is the uploaded file, for an engine that sends it on."""

    raster: Raster
    mode: str = "base"
    deadline: Deadline = field(default_factory=Deadline.never)
    encoded: bytes | None = None
    sending: Sending = nullcontext


@frozen(eq=False)
class Matte:
    """What a matting engine found.

    ``alpha`` is uint8 (height, width) of the job's raster; ``confidence`` 0..1, before any stretching; ``device`` the
    one that was used; ``notes`` are sentences for the user.
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
        """Everything that decides the matte apart from the picture, for the cache key.

        Raises: InvalidParameter for a mode that the engine does not have.
        """

    async def matte(self, job: MattingJob) -> Matte:
        """Finds the subject. Raises: MissingExtra, MissingWeights, MissingDevice, Unavailable, InvalidParameter."""

    async def aclose(self) -> None:
        """Frees the model and connections."""


@runtime_checkable
class WarmableMatting(MattingEngine, Protocol):
    """A matting engine that loads a model in this process."""

    async def warm_up(self, mode: str) -> str:
        """Loads the mode's model before the first picture; returns its device. Raises: as ``matte``."""


@runtime_checkable
class Loadable(Protocol):
    """An engine that can get ready for its first photo while that is still being decoded."""

    async def load(self) -> None:
        """Reads its network, if it is not there yet; a picture waits for it. Raises: as for a picture."""


@runtime_checkable
class WarmableEngine(StyleEngine, Protocol):
    """A style engine whose first picture costs imports or connections."""

    async def warm_up(self) -> None:
        """Loads everything that the first picture would otherwise wait for. Raises: MissingCredentials."""


@runtime_checkable
class PricedEngine(WarmableEngine, Protocol):
    """A style engine whose pictures cost money."""

    def price(self, size: int, model: str | None = None) -> Decimal:
        """The estimated cost in dollars of one picture with that long side in px.

        Raises: RetiredModel, InvalidParameter.
        """

    async def check_settings(self) -> None:
        """Checks quickly that its settings allow a picture. Raises: InvalidSetting, NotAuthorised, RetiredModel, …"""

    async def reach(self) -> None:
        """Asks the upstream for the configured model, which costs nothing. Raises: NotAuthorised, Unavailable."""

    async def live_models(self) -> set[str]:
        """Ids of the models that the upstream currently lists. Raises: NotAuthorised, Unavailable."""
