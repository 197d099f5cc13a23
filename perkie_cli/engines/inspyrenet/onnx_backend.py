"""The network on ONNX Runtime, exported by ``perkie models export``: quicker on a CPU, and no torch is imported."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.errors import MissingExtra, MissingWeights

Floats = NDArray[np.float32]


class OnnxBackend:
    """One exported network on the CPU."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        """``threads`` 0 is one a core. Raises: MissingExtra, MissingWeights."""
        self.device = "cpu"
        self.batch = 1
        self._session = open_session(path, threads)
        pixels = self._session.get_inputs()[0]
        self._input, self.side = pixels.name, int(pixels.shape[-1])

    def saliency(self, batch: Floats) -> Floats:
        """float32 (n, side, side) probabilities for float32 (n, 3, side, side), one picture at a time."""
        maps = [self._session.run(None, {self._input: each[None]})[0][0, 0] for each in batch]
        return np.stack(maps)


def available() -> bool:
    """Whether ONNX Runtime is installed; does not import it."""
    return find_spec("onnxruntime") is not None


def open_session(path: Path, threads: int = 0) -> Any:
    """An inference session over an exported file.

    Raises: MissingExtra, MissingWeights.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(
            "onnxruntime is not installed", hint="Install it: pip install 'perkie-cli[matting]'."
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores alone
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no public base but Exception
        raise MissingWeights(
            f"exported model {path} is corrupt, incomplete or of another version",
            hint="Make it again: perkie models export.",
        ) from error
