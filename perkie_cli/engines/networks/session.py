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
from perkie_cli.domain.errors import InvalidSetting, MissingWeights, OutOfMemory
from perkie_cli.engines.inspyrenet.backend import within_memory
from perkie_cli.engines.inspyrenet.onnx_backend import available, open_session

Floats = NDArray[np.float32]

_FLOATS = {"tensor(float16)": np.float16, "tensor(float)": np.float32}


class NetworkSession(Protocol):
    """A loaded network."""

    @property
    def outputs(self) -> Sequence[str]:
        """Names of its tensors."""

    def run(self, blob: Floats, output: str) -> NDArray[Any]:
        """The output tensor for an input (1, 3, side, side). Raises: InvalidSetting, OutOfMemory."""


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
        self._network = network
        self._session = _opened(path, threads)
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            named = ", ".join(each.name for each in inputs) or "none"
            raise unfit(network, f"{path.name} must have one input, the picture; it has {named}")
        self._input = inputs[0]
        if self._input.type not in _FLOATS:
            raise unfit(
                network, f"input {self._input.name!r} of {path.name} takes {self._input.type}, not float or float16"
            )
        wanted = (1, 3, network.side, network.side)
        given = tuple(self._input.shape)
        fits = len(given) == len(wanted) and all(
            not isinstance(size, int) or size in (want, -1) for size, want in zip(given, wanted, strict=True)
        )
        if not fits:
            raise unfit(network, f"input {self._input.name!r} of {path.name} is {list(given)}, not {list(wanted)}")
        self.outputs: Sequence[str] = [each.name for each in self._session.get_outputs()]

    def run(self, blob: Floats, output: str) -> NDArray[Any]:
        from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

        given = {self._input.name: blob.astype(_FLOATS[self._input.type], copy=False)}
        try:
            found = within_memory(lambda: self._session.run([output], given), "cpu", RuntimeException, MemoryError)
        except OutOfMemory:
            raise
        except Exception as error:  # its errors have no public base class but Exception
            raise unfit(self._network, f"{output!r} is not available for an input of {list(blob.shape)}") from error
        return np.asarray(found[0])


def _opened(path: Path, threads: int) -> Any:
    try:
        return open_session(path, threads)
    except MissingWeights as error:
        raise MissingWeights(
            f"{path} is not an ONNX network that ONNX Runtime runs",
            hint="Put it there again, with its .data file if it has one.",
        ) from error


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
