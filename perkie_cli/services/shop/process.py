"""One pet from upload to finished pictures: cut out, then several styles, told step by step."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from perkie_cli.domain.cutouts.request import Cutout, CutoutRequest
from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import BadInput, PerkieError
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.ports import Clock
from perkie_cli.services.shop.storefront import Source, Storefront, StyleEnd

CUTTING = 2 / 3  # of the deadline: one that hangs leaves the styles the usual time of a generation


@dataclass(frozen=True, slots=True)
class Accepted:
    """The picture is sound and work begins."""

    hash: str
    styles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CutoutEnd:
    """The cut-out came to an end: ``cutout`` or ``error``. The styles are drawn either way."""

    cutout: Cutout | None = None
    error: PerkieError | None = None


Step = Accepted | CutoutEnd | StyleEnd
CutOut = Callable[[CutoutRequest], Awaitable[Cutout]]


class Process:
    """The use case."""

    def __init__(self, storefront: Storefront, cut_out: CutOut, clock: Clock, *, engine: str, mode: str) -> None:
        """``engine`` and ``mode`` of the cut-out."""
        self._storefront = storefront
        self._cut_out = cut_out
        self._clock = clock
        self._engine = engine
        self._mode = mode

    async def __call__(
        self, source: Source, request: GenerateRequest, styles: Sequence[str]
    ) -> AsyncGenerator[Step, None]:
        """Yields ``Accepted``, ``CutoutEnd`` and a ``StyleEnd`` for each style as it ends.

        ``request`` says how each style is drawn; its deadline is that of all steps together. Closing the stream stops
        what is under way and gives back what it held.

        Raises: BadInput where the picture itself is the trouble: no style could do better.
        """
        deadline = Deadline.after(request.deadline, self._clock.monotonic())
        yield Accepted(source.hash, tuple(styles))
        cut = await self._cutout(source, deadline.total * CUTTING)
        yield cut
        left = deadline.remaining(self._clock.monotonic())
        wanted = replace(request, remove_background=cut.cutout is not None, deadline=left)
        async with aclosing(self._storefront.draw_all(source, wanted, styles)) as ends:
            async for end in ends:
                yield end

    async def _cutout(self, source: Source, seconds: float) -> CutoutEnd:
        wanted = CutoutRequest(
            source.data, self._engine, self._mode, deadline=seconds, source=source.name, hash=source.hash
        )
        try:
            return CutoutEnd(await self._cut_out(wanted))
        except BadInput:
            raise
        except PerkieError as error:
            return CutoutEnd(error=error)
