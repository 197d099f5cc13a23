"""Cut-outs for styling: the pet alone, as pixels."""

from __future__ import annotations

from dataclasses import dataclass

from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.pictures.request import CacheUse, GenerateRequest
from perkie_cli.imaging.raster import Decoded
from perkie_cli.services.cutouts.cut_out import Cutouts


@dataclass(frozen=True, slots=True)
class CutoutSource:
    """``engine`` and ``mode`` as the settings have them: a request to stylize only says whether."""

    cutouts: Cutouts
    engine: str
    mode: str

    def fingerprint(self, request: GenerateRequest) -> str | None:
        """Of the recipe that would cut the picture out; None where the background stays."""
        return self.cutouts.recipe(self._asked(request)).fingerprint if request.remove_background else None

    async def decode(self, request: GenerateRequest) -> Decoded:
        """The cut-out, with its warnings as notes. Raises: as ``Cutouts``."""
        raster, made = await self.cutouts.raster(self._asked(request))
        return Decoded(raster, made.warnings)

    def _asked(self, request: GenerateRequest) -> CutoutRequest:
        # A style that is drawn again may well be drawn from the cut-out that is there.
        cache = CacheUse.OFF if request.cache is CacheUse.OFF else CacheUse.NORMAL
        return CutoutRequest(
            request.image, self.engine, self.mode, cache=cache, source=request.source, hash=request.hash
        )
