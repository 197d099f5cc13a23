"""What the matting benchmarks share: made weights and their exports, photos, ours and upstream's way to a file."""

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from perkie_cli.batch.files import read_photo
from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import MattingSettings, Settings
from perkie_cli.domain.cutouts.checkpoint import CHECKPOINTS
from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.pictures.request import CacheUse
from tests.conftest import CAT
from tests.made_weights import make_checkpoint

SIZES = {"0.7 MP": (1024, 683), "12 MP": (4000, 3000)}


@contextlib.contextmanager
def models(folder: Path | None, modes: Sequence[str], exported: bool) -> Iterator[Path]:
    """Checkpoints (one file under both names) and their exports: in ``folder``, which is kept, or for now only."""
    with contextlib.ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perkie-bench-")))
        place.mkdir(parents=True, exist_ok=True)
        first, *others = (place / checkpoint.file for checkpoint in CHECKPOINTS.values())
        if not first.exists():
            make_checkpoint(first)
        for other in others:
            if not other.exists():
                other.hardlink_to(first)
        for mode in modes:
            if exported and not (place / CHECKPOINTS[mode].onnx_file).exists():
                from perkie_cli.engines.inspyrenet.export import export
                from perkie_cli.stores.disk.models import DiskModels

                export(CHECKPOINTS[mode], place / CHECKPOINTS[mode].file, DiskModels([place]))
        yield place


def photo(folder: Path, size: tuple[int, int]) -> Path:
    """The shipped cat at that size with a camera's noise, as a JPEG."""
    path = folder / f"cat-{size[0]}.jpg"
    if not path.exists():
        with Image.open(CAT) as cat:
            pixels = np.asarray(cat.convert("RGB").resize(size, Image.Resampling.BICUBIC), np.int16)
        noise = np.random.default_rng(0).normal(0, 3, pixels.shape).astype(np.int16)
        Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(path, quality=92)
    return path


def our_services(models_dir: Path, backend: Literal["auto", "torch", "onnx"]) -> Services:
    matting = MattingSettings(engine="inspyrenet", models_dir=models_dir, backend=backend, device="cpu")
    return build_services(Settings(matting=matting))


async def cut_out(services: Services, source: Path, target: Path, mode: str) -> None:
    """As ``perkie remove-bg --no-cache`` does: file to file."""
    photo = await asyncio.to_thread(read_photo, source, services.limits)
    made = await services.cutouts(CutoutRequest(photo, "inspyrenet", mode, cache=CacheUse.OFF))
    await asyncio.to_thread(target.write_bytes, made.picture.data)


def upstream_cut_out(remover: Any, source: Path, target: Path) -> None:
    """As transparent-background's command line does: file to file."""
    with Image.open(source) as image:
        remover.process(image.convert("RGB"), type="rgba").save(target)


def alpha_difference(ours: Path, theirs: Path) -> int:
    """The largest, in levels of 255."""
    with Image.open(ours) as a, Image.open(theirs) as b:
        alphas = [np.asarray(each.getchannel("A"), np.int16) for each in (a, b)]
    return int(np.abs(alphas[0] - alphas[1]).max())
