"""Turns a network's output into alpha for the whole picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.cutouts.network import MattingNetwork
from perkie_cli.engines.inspyrenet.confidence import assess
from perkie_cli.engines.inspyrenet.tensors import stretched, to_alpha
from perkie_cli.engines.networks.session import NetworkSession, unfit
from perkie_cli.engines.u2net.network import to_input
from perkie_cli.engines.u2net.refine import refine
from perkie_cli.engines.u2net.tidy import tidy

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_COARSE = 512  # px: a map no larger than this is refined along the picture's edges
_ROUNDING = 0.01  # tolerance for probabilities outside 0..1


def matte(session: NetworkSession, network: MattingNetwork, rgb: Bytes) -> tuple[Bytes, float, tuple[str, ...]]:
    """Alpha (h, w) of a picture (h, w, 3), confidence, doubts. Raises: InvalidSetting, OutOfMemory."""
    blob = to_input(rgb, network.side, network.mean, network.deviation)
    name = network.output or session.outputs[0]
    map_ = _map(network, name, session.run(blob, name))
    found = assess(map_)
    height, width = rgb.shape[:2]
    if not found.has_subject:
        return np.zeros((height, width), np.uint8), found.value, found.notes
    alpha = refine(rgb, tidy(map_)) if max(map_.shape) <= _COARSE else to_alpha(stretched(map_), height, width)
    return alpha, found.value, found.notes


def _map(network: MattingNetwork, name: str, output: NDArray[np.generic]) -> Floats:
    """float32 (h, w) of 0..1 of an output (1, 1, h, w) or (1, h, w)."""
    if output.ndim not in (3, 4) or set(output.shape[:-2]) != {1} or not output.size:
        raise unfit(network, f"output {name!r} is {list(output.shape)}, not [1, 1, height, width]")
    values = output.reshape(output.shape[-2:]).astype(np.float32)
    if network.logits:
        return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))), np.float32)
    low, high = float(values.min()), float(values.max())
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
        raise unfit(network, f"output {name!r} holds {low:.3g} to {high:.3g}, not 0 to 1: is it logits = true?")
    return np.clip(values, 0, 1)
