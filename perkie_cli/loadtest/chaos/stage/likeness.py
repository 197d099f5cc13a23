"""Whether an answer is a picture, and of the pet that was sent: the known pet that it is nearest to."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from perkie_cli.domain.errors import BadInput
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging import codec
from perkie_cli.loadtest.chaos.stage.environment import clean_environment
from perkie_cli.loadtest.chaos.stage.ledger import PETS, Answer
from perkie_cli.loadtest.chaos.stage.shop import SEED, SIDE
from perkie_cli.loadtest.hosting.processes import PERKIE
from perkie_cli.loadtest.photos import Photos

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST = 100  # px a side; less counts as corrupt
_GRID = 32  # cells a side: averaging removes brush strokes and JPEG artefacts
_DRAWN_AT = "512"  # px
_LIMITS = ImageLimits(min_side=SMALLEST)


def why_wrong(answer: Answer) -> str | None:
    """What is wrong with the picture of an answer with 200; None where nothing is."""
    assert answer.picture is not None, "an answer with 200 has a file"
    try:
        shown = _cells(_decoded(Path(answer.picture).read_bytes()))
    except BadInput as error:
        return error.message
    known = _references(answer.engine, answer.order.style, cut_out=answer.order.cut_out)
    near = min(range(PETS), key=lambda pet: float(np.abs(shown - known[pet]).mean()))
    return None if near == answer.order.pet else f"it shows pet {near}, and pet {answer.order.pet} was sent"


@cache
def _references(engine: str, style: str, *, cut_out: bool) -> list[NDArray[np.float32]]:
    """How each pet looks: the negative that the emulator of Gemini sends, or as perkie's own engine draws it."""
    photos = Photos(SIDE, SEED)
    pets = [photos.photo(pet) for pet in range(PETS)]
    if engine == "gemini":
        return [_cells(255 - _decoded(pet)) for pet in pets]
    with tempfile.TemporaryDirectory(prefix="perkie-chaos-") as folder:
        return [_cells(_decoded(data)) for data in _drawn(pets, style, Path(folder), cut_out=cut_out)]


def _drawn(pets: list[bytes], style: str, folder: Path, *, cut_out: bool) -> list[bytes]:
    files = [folder / f"{pet}.jpg" for pet in range(PETS)]
    for file, data in zip(files, pets, strict=True):
        file.write_bytes(data)
    flags = ["--style", style, "--engine", "local", "--size", _DRAWN_AT, "--format", "jpg", "--no-cache"]
    flags += ["--remove-bg", "--matting-engine", "builtin"] if cut_out else []
    command = [*PERKIE, "stylize", *map(str, files), *flags, "--out-dir", str(folder / "drawn"), "--quiet"]
    subprocess.run(command, env=clean_environment(folder), cwd=folder, check=True, capture_output=True)  # noqa: S603
    return [(folder / "drawn" / f"{file.stem}_{style}.jpg").read_bytes() for file in files]


def _decoded(data: bytes) -> NDArray[np.uint8]:
    """RGB. Raises: BadInput where the bytes are no whole picture."""
    return codec.decode(data, _LIMITS, "the answer").raster.rgb


def _cells(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean colours over a grid, (32, 32, 3)."""
    pixels: Any = rgb
    return np.asarray(cv2.resize(pixels, (_GRID, _GRID), interpolation=cv2.INTER_AREA), np.float32)
