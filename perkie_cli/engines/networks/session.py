"""One ONNX file, run by ONNX Runtime if installed, else by OpenCV, and checked against its row."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.cutouts.network import MattingNetwork
from perkie_cli.domain.errors import InvalidSetting, MissingWeights
from perkie_cli.engines.inspyrenet.onnx_backend import available, open_session

Floats = NDArray[np.float32]


class NetworkSession(Protocol):
    """A loaded network."""

    @property
    def outputs(self) -> Sequence[str]:
        """Names of its tensors."""

    def run(self, blob: Floats, output: str) -> NDArray[Any]:
        """The output tensor for an input (1, 3, side, side). Raises: InvalidSetting."""


def open_network(network: MattingNetwork, path: Path, threads: int = 0) -> NetworkSession:
    """Opens the file. Raises: MissingWeights, InvalidSetting if the row does not match the file, OutOfMemory."""
    session: NetworkSession = _OnnxRuntime(network, path, threads) if available() else _OpenCv(network, path)
    if network.output is not None and network.output not in session.outputs:
        there = ", ".join(session.outputs)
        raise unfit(network, f"output {network.output!r} is not in {path.name}; there is {there}")
    return session


def unfit(network: MattingNetwork, why: str) -> InvalidSetting:
    """The error for a row that does not match its file."""
    return InvalidSetting(f"network {network.id}: {why}", hint="Correct its row in models.toml.")


class _OnnxRuntime:
    def __init__(self, network: MattingNetwork, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        self._input = self._session.get_inputs()[0]
        wanted = (1, 3, network.side, network.side)
        given = tuple(self._input.shape)
        fits = len(given) == len(wanted) and all(
            not isinstance(size, int) or size in (want, -1) for size, want in zip(given, wanted, strict=True)
        )
        if not fits:
            raise unfit(network, f"input {self._input.name!r} of {path.name} is {list(given)}, not {list(wanted)}")
        self.outputs: Sequence[str] = [each.name for each in self._session.get_outputs()]

    def run(self, blob: Floats, output: str) -> NDArray[Any]:
        return np.asarray(self._session.run([output], {self._input.name: blob})[0])


class _OpenCv:
    def __init__(self, network: MattingNetwork, path: Path) -> None:
        self._network = network
        self._one_at_a_time = threading.Lock()
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise MissingWeights(
                f"{path} is not an ONNX network that OpenCV runs", hint="Install ONNX Runtime: pip install onnxruntime."
            ) from error
        self.outputs: Sequence[str] = list(self._net.getUnconnectedOutLayersNames())

    def run(self, blob: Floats, output: str) -> NDArray[Any]:
        try:
            with self._one_at_a_time:
                self._net.setInput(blob)
                return np.array(self._net.forward(output))
        except cv2.error as error:
            raise unfit(self._network, f"{output!r} is not available for an input of {list(blob.shape)}") from error
