"""Scores an engine on photos whose true mattes are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.domain.cutouts.request import CutoutOutput, CutoutRequest
from perkie_cli.domain.errors import BadInput, UnreadableFile
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.request import CacheUse
from perkie_cli.imaging import codec
from perkie_cli.ports import Workers
from perkie_cli.services.cutouts.cut_out import Cutouts

if TYPE_CHECKING:
    from perkie_cli.imaging.matte_measures import Scores

_PHOTOS, _MATTES = ("photos", "images", "im"), ("mattes", "masks", "gt", "alpha")
_ENDING = "_matte"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif")


@dataclass(frozen=True, slots=True)
class Pair:
    """A photo and its true matte: grey, or the alpha of a cut-out."""

    photo: Path
    matte: Path


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One photo's scores."""

    pair: Pair
    scores: Scores
    confidence: float
    engine: str
    model: str
    device: str
    processing_time: float  # seconds


def find_pairs(folder: Path) -> Sequence[Pair]:
    """``photos/NAME.jpg`` with ``mattes/NAME.png`` below the folder, or ``NAME.jpg`` with ``NAME_matte.png`` in it.

    Raises: UnreadableFile when there are none, or a photo lacks its matte.
    """
    photos, mattes = (_first(folder, names) for names in (_PHOTOS, _MATTES))
    separate = photos is not None and mattes is not None
    truths = {each.stem.removesuffix(_ENDING): each for each in _pictures(mattes if separate and mattes else folder)}
    pairs = []
    for photo in _pictures(photos if separate and photos else folder):
        if photo.stem.endswith(_ENDING) and not separate:
            continue
        truth = truths.get(photo.stem)
        if truth is None or truth == photo:
            raise UnreadableFile(f"{photo} has no true matte", hint=f"Put it beside it as {photo.stem}{_ENDING}.png.")
        pairs.append(Pair(photo, truth))
    if not pairs:
        raise UnreadableFile(
            f"{folder} holds no photos with true mattes",
            hint="Give photos/ and mattes/ with the same names, or NAME.jpg with NAME_matte.png.",
        )
    return pairs


class Evaluate:
    """The use case, over the same service that cuts out for everybody."""

    def __init__(self, cutouts: Cutouts, workers: Workers, limits: ImageLimits) -> None:
        self._cutouts = cutouts
        self._workers = workers
        self._limits = limits

    async def __call__(self, pair: Pair, engine: str | None = None, mode: str | None = None) -> Evaluated:
        """Scores one pair. Raises: as ``Cutouts``, UnreadableFile, BadInput for a matte that does not fit."""
        photo = await self._workers.run(_photo, pair.photo, self._limits)
        made = await self._cutouts(CutoutRequest(photo, engine, mode, output=CutoutOutput.MASK, cache=CacheUse.OFF))
        scores = await self._workers.run(_compare, made.picture.data, pair, self._limits)
        return Evaluated(pair, scores, made.confidence, made.engine, made.model, made.device, made.processing_time)


def mean_scores(scores: Sequence[Scores]) -> dict[str, float]:
    """The mean of each measure."""
    rows = [asdict(each) for each in scores]
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} if rows else {}


def _photo(path: Path, limits: ImageLimits) -> Photo:
    return codec.photo(_read(path), limits, str(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}") from error


def _compare(mask: bytes, pair: Pair, limits: ImageLimits) -> Scores:
    import numpy as np

    from perkie_cli.imaging.matte_measures import score

    unlimited = replace(limits, min_side=1)
    matte = codec.decode(mask, unlimited, "the matte").raster.rgb[..., 0]
    found = codec.decode(_read(pair.matte), unlimited, str(pair.matte)).raster
    truth = found.alpha if found.alpha is not None else found.rgb[..., 0]
    if truth.shape != matte.shape:
        raise BadInput(
            f"{pair.matte} is {truth.shape[1]} × {truth.shape[0]} px, but {pair.photo.name} is "
            f"{matte.shape[1]} × {matte.shape[0]}",
            hint="A true matte has the size of its photo, upright.",
        )
    unit = np.float32(1 / 255)
    return score(matte * unit, truth * unit)


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _pictures(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.suffix.lower() in _SUFFIXES)
    except OSError as error:
        raise UnreadableFile(f"{folder} cannot be read: {error.strerror}") from error
