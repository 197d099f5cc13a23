"""The network: picture in, coarse map of the subject out."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.engines.u2net.weights import read_weights

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIDE = 320  # px of the network's square input and output
_FINEST = "1959"  # its first output fuses the six others
# ImageNet's mean and deviation, as in training
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class SubjectNetwork:
    """U²-Netp on OpenCV. Safe to share between threads: one picture runs at a time, on all of OpenCV's threads."""

    def __init__(self, weights: bytes) -> None:
        self._net = cv2.dnn.readNetFromONNX(np.frombuffer(weights, np.uint8))
        self._one_at_a_time = threading.Lock()  # OpenCV's networks hold their input and output

    def map(self, rgb: Bytes, side: int = SIDE) -> Floats:
        """How likely each pixel is subject: float32 (side, side) of 0..1, of a uint8 (h, w, 3) picture. Not stretched.

        It was trained at 320 px; at half of that a quarter of the work gives a rough answer.
        """
        blob = to_input(rgb, side)
        with self._one_at_a_time:
            self._net.setInput(blob)
            return np.array(self._net.forward(_FINEST)[0, 0], np.float32)  # a copy: the net reuses its output


def mirrored(network: SubjectNetwork, rgb: Bytes, side: int) -> Floats:
    """The map of the picture's mirror image, mirrored back: an independent opinion."""
    return np.ascontiguousarray(network.map(np.ascontiguousarray(rgb[:, ::-1]), side)[:, ::-1])


_loading = threading.Lock()
_shared: list[SubjectNetwork] = []


def shared_network(weights: bytes | None = None) -> SubjectNetwork:
    """The process's one network, loaded at the first call; from ``weights``, if they were read already.

    Raises: BrokenInstall.
    """
    with _loading:
        if not _shared:
            _shared.append(SubjectNetwork(read_weights() if weights is None else weights))
        return _shared[0]


def to_input(rgb: Bytes, side: int, mean: Sequence[float] = MEAN, deviation: Sequence[float] = DEVIATION) -> Floats:
    """float32 (1, 3, side, side): scaled, divided by its brightest value, less the mean, divided by the deviation."""
    scaled = scale_to(rgb, side, side).astype(np.float32)
    scaled /= max(float(scaled.max()), 1.0)  # a black picture stays black
    scaled -= np.asarray(mean, np.float32)
    scaled /= np.asarray(deviation, np.float32)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[np.newaxis])


def scale_to(rgb: Bytes, width: int, height: int) -> Bytes:
    """Averages where it shrinks and interpolates where it grows: a tall picture may need both."""
    least = min(width, rgb.shape[1]), min(height, rgb.shape[0])
    shrunk = cv2.resize(rgb, least, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
