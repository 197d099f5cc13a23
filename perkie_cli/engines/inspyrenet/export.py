"""Exports a checkpoint to ONNX, and checks that both give the same result."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from perkie_cli.domain.cutouts.checkpoint import Checkpoint
from perkie_cli.domain.errors import DiskFull, MissingWeights, unwritable
from perkie_cli.engines.inspyrenet import network as networks
from perkie_cli.engines.inspyrenet import onnx_backend
from perkie_cli.engines.inspyrenet.backend import missing
from perkie_cli.engines.inspyrenet.tensors import to_input
from perkie_cli.ports import ModelStore

_TOLERANCE = 1 / 255  # of probability
_CHECKPOINT = "perkie.checkpoint.md5"
_ROOM = 2.5  # times the checkpoint's size: for a while the export exists twice


def export(checkpoint: Checkpoint, source: Path, models: ModelStore) -> Path:
    """Writes the checkpoint's network for ONNX Runtime into ``models.folder`` (two files) and compares both backends.

    Takes a minute or two and 4 GB. Input ``pixels`` float32 (1, 3, side, side), output ``saliency`` float32
    (1, 1, side, side), not stretched. Raises: MissingExtra, MissingWeights, OutOfMemory, UnwritableFile,
    DiskFull.
    """
    network, folder = networks.open_network(source, checkpoint.side), models.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_room(folder, int(_ROOM * source.stat().st_size))
        origin = {_CHECKPOINT: models.md5(source)}
        return export_network(network, checkpoint.side, folder / checkpoint.onnx_file, origin)
    except OSError as error:
        raise unwritable(f"the export into {folder}", error) from error


def export_network(network: Any, side: int, target: Path, metadata: dict[str, str]) -> Path:
    """Writes the network and its weights (``target`` + ``.data``), compared with the original, atomically."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as folder:
        raw, draft = Path(folder) / "raw.onnx", Path(folder) / target.name
        _write(network, side, raw, metadata)
        onnx_backend.optimise(raw, draft)
        _compare(network, side, draft)
        _place(draft, target)
    return target


def exported_from(path: Path) -> str | None:
    """The MD5 of the checkpoint that an export was made from. Raises: MissingExtra, MissingWeights, OutOfMemory."""
    metadata = onnx_backend.open_session(path).get_modelmeta().custom_metadata_map
    return str(metadata[_CHECKPOINT]) if _CHECKPOINT in metadata else None


def check_room(folder: Path, needed: int) -> None:
    """Checks for free disk space (bytes) first: ONNX Runtime does not report a full disk. Raises: DiskFull."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(
            f"the export needs {needed >> 20} MiB in {folder} temporarily, but only {free >> 20} are free",
            hint="Free some disk space, or set matting.models_dir to a larger disk.",
        )


def _write(network: Any, side: int, target: Path, metadata: dict[str, str]) -> None:
    torch = networks.import_torch()
    try:
        import onnxscript  # noqa: F401  # the exporter's own import fails with a page of text
    except ImportError as error:
        raise missing("onnxscript") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own code
        program = torch.onnx.export(
            networks.saliency_of(network),
            (torch.zeros(1, 3, side, side),),
            dynamo=True,  # the older exporter fails on this network
            input_names=["pixels"],
            output_names=["saliency"],
            verbose=False,
        )
    program.model.metadata_props.update(metadata)
    program.save(str(target), external_data=True)  # memory-mapped, not read


def _compare(network: Any, side: int, exported: Path) -> None:
    torch = networks.import_torch()
    ramp = np.linspace(0, 255, 256, dtype=np.float32)
    picture = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], np.float32(80)), axis=2).astype(np.uint8)
    pixels = to_input(picture, side)[None]
    with torch.inference_mode():
        reference = networks.saliency_of(network)(torch.from_numpy(pixels))[:, 0].numpy()
    difference = float(np.abs(onnx_backend.OnnxBackend(exported).saliency(pixels) - reference).max())
    if difference > _TOLERANCE:
        raise MissingWeights(
            f"the exported network differs from the checkpoint by {difference * 255:.1f} of 255",
            hint="Set matting.backend to torch, and report this with your torch version.",
        )


def _place(draft: Path, target: Path) -> None:
    """Moves both files into place, the model file last, so that a model never appears without its weights."""
    target.unlink(missing_ok=True)
    draft.with_name(draft.name + ".data").replace(target.with_name(target.name + ".data"))
    draft.replace(target)
