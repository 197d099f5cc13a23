"""The network on ONNX Runtime, exported by ``perkie models export``: faster on a CPU, and without importing torch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.errors import MissingWeights, OutOfMemory
from perkie_cli.engines.inspyrenet.backend import missing, within_memory

Floats = NDArray[np.float32]


class OnnxBackend:
    """One exported network on the CPU."""

    device = "cpu"
    batch = 1

    def __init__(self, path: Path, threads: int = 0) -> None:
        """Opens an exported file. ``threads`` 0 is one per core. Raises: MissingExtra, MissingWeights, OutOfMemory."""
        self._session = open_session(path, threads)
        pixels = self._session.get_inputs()[0]
        self._input = pixels.name
        self.sides: tuple[int, ...] = (int(pixels.shape[-1]),)  # an export has one input size

    def saliency(self, batch: Floats) -> Floats:
        """float32 (n, side, side) probabilities for float32 (n, 3, side, side), one picture at a time.

        Raises: OutOfMemory.
        """
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

        def run_each() -> Floats:
            return np.stack([self._session.run(None, {self._input: each[None]})[0][0, 0] for each in batch])

        return within_memory(run_each, self.device, Fail, RuntimeException, MemoryError)


def available() -> bool:
    """Whether ONNX Runtime is installed; does not import it."""
    return find_spec("onnxruntime") is not None


def open_session(path: Path, threads: int = 0) -> Any:
    """An inference session over an exported file.

    Raises: MissingExtra, MissingWeights, OutOfMemory.
    """
    onnxruntime = _import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads do not spin
    # Weights stay in the file's pages, which processes share, instead of being copied into another layout: a session
    # opens in a third of the time with 340 MB less memory, and pictures take as long as before.
    options.add_session_config_entry("session.disable_prepacking", "1")
    return _load(onnxruntime, path, options)


def optimise(path: Path, target: Path) -> None:
    """Writes the file at ``path`` with ONNX Runtime's machine-independent optimizations applied.

    They take most of the time to open a session. Each machine applies the rest itself, which is fast.
    The weights go to ``target`` + ``.data``. Raises: as ``open_session``.
    """
    onnxruntime = _import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    weights = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{weights}_file_name", f"{target.name}.data")
    options.add_session_config_entry(f"{weights}_min_size_in_bytes", "1024")
    _load(onnxruntime, path, options)


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise missing("onnxruntime") from error
    return onnxruntime


def _load(onnxruntime: Any, path: Path, options: Any) -> Any:
    from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

    options.log_severity_level = 4  # only fatal errors: the rest is raised

    def load() -> Any:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    try:
        # A file that is not a network fails in many ways; this one is C++'s bad_alloc.
        return within_memory(load, "cpu", RuntimeException, MemoryError)
    except OutOfMemory:
        raise
    except Exception as error:  # its errors have no public base class but Exception
        raise MissingWeights(
            f"exported model {path} is corrupt, incomplete or of another version",
            hint="Export it again: perkie models export.",
        ) from error
