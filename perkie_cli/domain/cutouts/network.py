"""Matting networks as data: what a row of models.toml says of an ONNX file."""

from __future__ import annotations

from dataclasses import dataclass

Channels = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class MattingNetwork:
    """``side``: px of its square input; the picture is divided by its brightest value, then ``mean`` is taken off and
    the rest divided by ``deviation``. ``output`` names the tensor to read, None is the first; ``logits``: its values
    still have to pass a sigmoid.
    """

    id: str
    title: str
    file: str
    licence: str
    side: int
    mean: Channels
    deviation: Channels
    output: str | None = None
    logits: bool = False
