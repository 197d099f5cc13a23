"""transparent-background's own Remover, the peer that ours must equal and outrun."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def remover(
    checkpoint: Path, mode: str, side: int, home: Path, device: str = "cpu", *, foreground: bool = False
) -> Any:
    """A Remover of that input size. ``home`` takes the config that upstream insists on writing.

    ``foreground``: with the colour estimation of its cut-outs, whose import compiles for a minute the first time.
    """
    config = home / ".transparent-background" / "config.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(
        f"{mode}: {{url: '', md5: null, ckpt_name: {checkpoint.name}, http_proxy: null, base_size: [{side}, {side}]}}"
    )
    os.environ["TRANSPARENT_BACKGROUND_FILE_PATH"] = str(home)
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask the network for its newest version
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        _make_torchvision_importable()
        from transparent_background import Remover

        with contextlib.nullcontext() if foreground else _without("pymatting"):
            return Remover(mode=mode, ckpt=str(checkpoint), device=device)


@contextlib.contextmanager
def _without(package: str) -> Iterator[None]:
    """Importing it fails, as if it were not installed."""
    saved = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == package}
    sys.modules[package] = None  # type: ignore[assignment]  # how Python itself marks what is not to be imported
    try:
        yield
    finally:
        del sys.modules[package]
        sys.modules.update(saved)


def upstream_alpha(peer: Any, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(peer.process(Image.fromarray(rgb), type="map"))[..., 0]


def _make_torchvision_importable() -> None:
    """A torchvision built for another torch misses its C++ operators; upstream needs only its transforms."""
    import torch

    try:
        import torchvision  # the import is the test
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            with contextlib.suppress(RuntimeError):  # defined already
                library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        globals()["_library"] = library  # dropping it would undefine them
        import torchvision  # noqa: F401  # again
