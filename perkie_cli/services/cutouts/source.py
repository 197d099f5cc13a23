"""Cut-outs for styling: the pet alone, as pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.pictures.request import CacheUse, Fallback, GenerateRequest
from perkie_cli.imaging.raster import Decoded

if TYPE_CHECKING:
    from perkie_cli.domain.cutouts.result import Cutout
    from perkie_cli.services.cutouts.cut_out import Cutouts


class CutoutSource:
    """``cutouts`` is called when a background is to be removed: until then nobody pays for what it takes."""

    def __init__(self, cutouts: Callable[[], Cutouts]) -> None:
        self._cutouts = cutouts

    def fingerprint(self, request: GenerateRequest) -> str | None:
        """Of the recipe that would cut the picture out; None where the background stays."""
        return self._cutouts().recipe().fingerprint if request.remove_background else None

    async def decode(self, request: GenerateRequest) -> tuple[Decoded, Cutout]:
        """The cut-out as pixels, with its warnings as notes, and its facts. Raises: as ``Cutouts``."""
        # A style that is drawn again may well be drawn from the cut-out that is there.
        cache = CacheUse.OFF if request.cache is CacheUse.OFF else CacheUse.NORMAL
        raster, made = await self._cutouts().raster(self._request(request, cache))
        return Decoded(raster, made.warnings), made

    @staticmethod
    def _request(request: GenerateRequest, cache: CacheUse) -> CutoutRequest:
        fallback = Fallback.LOCAL in request.fallback
        return CutoutRequest(request.photo, cache=cache, fallback=fallback, cover_setup=request.cover_setup)
