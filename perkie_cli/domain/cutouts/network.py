"""Matting networks as data: a row of models.toml describes one ONNX file."""

from __future__ import annotations

from perkie_cli.domain.frozen import frozen

Channels = tuple[float, float, float]


@frozen
class MattingNetwork:
    """One network.

    ``side``: its square input in px. The picture is divided by its maximum, then normalised with ``mean`` and
    ``deviation``. ``output`` names the tensor to read, None is the first; ``logits``: its values still need a sigmoid.
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
