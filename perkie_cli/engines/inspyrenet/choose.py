"""Chooses the device and backend: the requested one or the best available; never silently another."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from perkie_cli.domain.cutouts.checkpoint import Checkpoint
from perkie_cli.domain.errors import InvalidParameter, MissingDevice, MissingExtra, MissingWeights
from perkie_cli.engines.inspyrenet import onnx_backend
from perkie_cli.engines.inspyrenet.backend import PACKAGES, Backend
from perkie_cli.ports import ModelStore

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,2})?")


def open_backend(
    checkpoint: Checkpoint,
    models: ModelStore,
    device: str = "auto",
    backend: str = "auto",
    threads: int = 0,
    *,
    compiled: bool = False,
) -> Backend:
    """The checkpoint on a backend. ``device`` is auto, cpu, mps, cuda or cuda:N; ``backend`` auto, torch or onnx.

    ``compiled`` is for torch. Raises: InvalidParameter, MissingDevice, MissingExtra, MissingWeights, OutOfMemory.
    """
    _check_name(device)
    exported = models.find(checkpoint.onnx_file)
    chosen = "cpu" if backend == "onnx" and device == "auto" else _resolve(device)
    if chosen == "cpu" and _prefers_onnx(backend, exported, models, checkpoint):
        return onnx_backend.OnnxBackend(_existing(exported, checkpoint), threads)
    if backend == "onnx":
        raise MissingDevice(f"the onnx backend runs on the CPU, not on {chosen}", hint="Use --device cpu or auto.")
    from perkie_cli.engines.inspyrenet.network import open_network
    from perkie_cli.engines.inspyrenet.torch_backend import TorchBackend

    path = models.find(checkpoint.file) or models.folder / checkpoint.file
    network = open_network(path, checkpoint.side)
    return TorchBackend(network, checkpoint.side, chosen, threads, compiler="inductor" if compiled else None)


def check_ready(device: str) -> None:
    """Checks that a checkpoint could run here, before its 368 MB are downloaded; imports torch only for a GPU.

    Raises: InvalidParameter, MissingDevice, MissingExtra.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtra(
                f"{package.replace('_', '-')} is not installed",
                hint="Install it: pip install 'perkie-cli[matting]'; or "
                "use the builtin engine (`remove-bg --engine builtin`; elsewhere `--matting-engine builtin`).",
            )
    _check_name(device)
    _resolve(device)


def _check_name(device: str) -> None:
    if _DEVICE.fullmatch(device) is None:
        raise InvalidParameter(f"unknown device {device[:30]!r}", hint="Devices: auto, cpu, cuda, cuda:N, mps.")


def _prefers_onnx(backend: str, exported: Path | None, models: ModelStore, checkpoint: Checkpoint) -> bool:
    if backend != "auto":
        return backend == "onnx"
    has_checkpoint = models.find(checkpoint.file) is not None
    return exported is not None and (onnx_backend.available() or not has_checkpoint)


def _existing(exported: Path | None, checkpoint: Checkpoint) -> Path:
    if exported is None:
        raise MissingWeights(
            f"{checkpoint.model} is not exported for ONNX Runtime",
            hint=f"Export it: perkie models export --mode {checkpoint.mode}.",
        )
    return exported


def _resolve(device: str) -> str:
    """The device in torch's notation. torch is imported only if there may be a GPU."""
    if device == "cpu" or (device == "auto" and not _gpu_is_possible()):
        return "cpu"
    from perkie_cli.engines.inspyrenet.torch_backend import available_devices

    return pick(device, available_devices())


def pick(device: str, found: Mapping[str, str]) -> str:
    """Picks the device from those found, best first.

    Raises: MissingDevice, naming the available ones.
    """
    if device == "auto":
        return next(iter(found))
    wanted = "cuda:0" if device == "cuda" else device
    if wanted not in found:
        there = ", ".join(f"{each} ({name})" if name != "CPU" else each for each, name in found.items())
        raise MissingDevice(
            f"device {device} is not on this machine (or torch cannot use it); available: {there}",
            hint="Use --device auto, or install a torch build for that device.",
        )
    return wanted


def _gpu_is_possible() -> bool:
    """A cheap check, so that machines without a GPU need not import torch."""
    return sys.platform == "darwin" or Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is not None
