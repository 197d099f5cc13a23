"""One pet from upload to finished pictures: a cut-out, then several styles, reported step by step."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.cutouts.result import Cutout
from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import BadInput, PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.ports import Clock
from perkie_cli.services.shop.storefront import Storefront, StyleResult

CUTTING = 2 / 3  # of the deadline: if the cut-out hangs, the styles still have the usual time for a generation


@frozen
class Accepted:
    """The photo was accepted and the work begins."""

    hash: str
    styles: tuple[str, ...]


@frozen
class CutoutResult:
    """The result of the cut-out: ``cutout`` or ``error``. The styles are drawn either way."""

    cutout: Cutout | None = None
    error: PerkieError | None = None


Step = Accepted | CutoutResult | StyleResult
CutOut = Callable[[CutoutRequest], Awaitable[Cutout]]


class Process:
    """The use case."""

    def __init__(self, storefront: Storefront, cut_out: CutOut, clock: Clock) -> None:
        self._storefront = storefront
        self._cut_out = cut_out
        self._clock = clock

    async def __call__(
        self, photo: Photo, owner: Owner, requests: Sequence[GenerateRequest], seconds: float | None
    ) -> AsyncGenerator[Step, None]:
        """Yields ``Accepted``, ``CutoutResult``, and a ``StyleResult`` for each request as it ends.

        All of it takes up to ``seconds``. ``requests`` are for ``photo``, without their own cut-out or deadline.
        Closing the iterator stops the running work and releases its reservations.

        Raises: BadInput if the photo itself is bad, since then every style would fail.
        """
        deadline = Deadline.after(seconds, self._clock.monotonic())
        yield Accepted(photo.hash, tuple(each.style for each in requests))
        cut = await self._cutout(photo, deadline.total * CUTTING)
        yield cut
        left = deadline.remaining(self._clock.monotonic())
        ready = [replace(each, remove_background=cut.cutout is not None, deadline=left) for each in requests]
        async with aclosing(self._storefront.draw_all(photo, owner, ready)) as ends:
            async for end in ends:
                yield end

    async def _cutout(self, photo: Photo, seconds: float) -> CutoutResult:
        try:
            return CutoutResult(await self._cut_out(CutoutRequest(photo, deadline=seconds)))
        except BadInput:
            raise
        except PerkieError as error:
            return CutoutResult(error=error)
