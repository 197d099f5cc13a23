"""Scores an engine on photos whose true mattes are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.domain.cutouts.request import CutoutOutput, CutoutRequest
from perkie_cli.domain.errors import BadInput
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.request import CacheUse
from perkie_cli.imaging import codec
from perkie_cli.ports import Pair, PairStore, Workers
from perkie_cli.services.cutouts.cut_out import Cutouts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from perkie_cli.services.cutouts.matte_measures import Scores


_FAINT = 26  # of 255: what reaches no more is a mask of classes, numbered from 1
_COLOURED = 48  # levels between two channels of a pixel; JPEG gives a grey picture less


@frozen
class Evaluated:
    """One photo's scores."""

    pair: Pair
    scores: Scores
    confidence: float
    engine: str
    model: str
    device: str
    processing_time: float  # seconds


class Evaluate:
    """The use case; it uses the same service as all other cut-outs."""

    def __init__(self, cutouts: Cutouts, store: PairStore, workers: Workers, limits: ImageLimits) -> None:
        self._cutouts = cutouts
        self._store = store
        self._workers = workers
        self._limits = limits

    async def pairs(self, folder: Path) -> Sequence[Pair]:
        """The pairs in a folder. Raises: UnreadableFile."""
        return await self._workers.run(self._store.pairs, folder)

    async def __call__(self, pair: Pair, engine: str | None = None, mode: str | None = None) -> Evaluated:
        """Scores one pair. Raises: as ``Cutouts``, UnreadableFile, BadInput for a matte that does not fit."""
        photo = await self._workers.run(self._photo, pair.photo)
        request = CutoutRequest(
            photo, engine, mode, output=CutoutOutput.MASK, cache=CacheUse.OFF, fallback=False
        )  # a substitute's scores would be mistaken for the engine's
        made = await self._cutouts(request)
        scores = await self._workers.run(self._scores, made.picture.data, pair)
        return Evaluated(pair, scores, made.confidence, made.engine, made.model, made.device, made.processing_time)

    def _photo(self, path: Path) -> Photo:
        return codec.photo(self._store.read(path), self._limits, str(path))

    def _scores(self, mask: bytes, pair: Pair) -> Scores:
        return _compare(mask, self._store.read(pair.matte), pair, self._limits)


def mean_scores(scores: Sequence[Scores]) -> dict[str, float]:
    """The mean of each measure."""
    rows = [asdict(each) for each in scores]
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} if rows else {}


def _compare(mask: bytes, truth_file: bytes, pair: Pair, limits: ImageLimits) -> Scores:
    import numpy as np

    from perkie_cli.services.cutouts.matte_measures import score

    unlimited = replace(limits, min_side=1)
    matte = codec.decode(mask, unlimited, "the matte").raster.rgb[..., 0]
    found = codec.decode(truth_file, unlimited, str(pair.matte)).raster
    truth = found.alpha if found.alpha is not None else _grey(found.rgb, pair)
    if 0 < truth.max() < _FAINT:
        raise BadInput(
            f"{pair.matte} has no value over {truth.max()} of 255",
            hint="A true matte is 255 where the subject is: scale the numbers of a mask of classes.",
        )
    if truth.shape != matte.shape:
        raise BadInput(
            f"{pair.matte} is {truth.shape[1]} × {truth.shape[0]} px, but {pair.photo.name} is "
            f"{matte.shape[1]} × {matte.shape[0]}",
            hint="A true matte must have the size of its upright photo.",
        )
    unit = np.float32(1 / 255)
    return score(matte * unit, truth * unit)


def _grey(rgb: NDArray[np.uint8], pair: Pair) -> NDArray[np.uint8]:
    spread = rgb.max(2) - rgb.min(2)
    if spread.max() > _COLOURED:
        raise BadInput(
            f"{pair.matte} is coloured", hint="A true matte is grey, white where the subject is, or a cut-out's alpha."
        )
    return rgb[..., 0]
