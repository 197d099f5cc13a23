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
    """``cutouts`` is only called when a background is removed: until then no matting engine is built."""

    def __init__(self, cutouts: Callable[[], Cutouts]) -> None:
        self._cutouts = cutouts

    def fingerprint(self, request: GenerateRequest) -> str | None:
        """The fingerprint of the cut-out's recipe; None if the background stays."""
        return self._cutouts().recipe().fingerprint if request.remove_background else None

    async def decode(self, request: GenerateRequest) -> tuple[Decoded, Cutout]:
        """The cut-out as pixels, with its warnings as notes, and its facts. Raises: as ``Cutouts``."""
        # Refreshing a style can still reuse the stored cut-out.
        cache = CacheUse.OFF if request.cache is CacheUse.OFF else CacheUse.NORMAL
        raster, made = await self._cutouts().raster(self._request(request, cache))
        return Decoded(raster, made.warnings), made

    @staticmethod
    def _request(request: GenerateRequest, cache: CacheUse) -> CutoutRequest:
        fallback = Fallback.LOCAL in request.fallback
        return CutoutRequest(request.photo, cache=cache, fallback=fallback, cover_setup=request.cover_setup)
