"""The model files of background removal: their names, sources and checksums."""

from __future__ import annotations

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen


@frozen
class Checkpoint:
    """One trained InSPyReNet (SwinB). ``side`` is what its input is scaled to, in px; ``md5`` None is not checked."""

    mode: str
    file: str
    md5: str | None
    side: int

    @property
    def model(self) -> str:
        """The model's name in results."""
        return f"inspyrenet-{self.mode}"

    @property
    def onnx_file(self) -> str:
        """The file name of its ONNX export; the weights are in a second file of that name plus ``.data``."""
        return f"inspyrenet-{self.mode}.onnx"


CHECKPOINTS = {
    "base": Checkpoint("base", "ckpt_base.pth", "d692e3dd5fa1b9658949d452bebf1cda", 1024),
    "fast": Checkpoint("fast", "ckpt_fast.pth", "9efdbfbcc49b79ef0f7891c83d2fd52f", 384),
}


def checkpoint(mode: str) -> Checkpoint:
    """The checkpoint that a mode runs.

    Raises: InvalidParameter.
    """
    try:
        return CHECKPOINTS[mode]
    except KeyError:
        raise InvalidParameter(
            f"unknown matting mode {mode[:30]!r}", hint=f"Modes: {', '.join(CHECKPOINTS)}."
        ) from None
