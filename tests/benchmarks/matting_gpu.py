"""Images a second on a GPU, photo file to RGBA PNG file, against transparent-background's Remover on it.

To be run by hand on a machine with a GPU: ``python -m tests.benchmarks matting_gpu --models /tmp/models``.
``--device cpu --small`` is a dry run of every line of it on any machine.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import Settings
from perkie_cli.domain.cutouts.checkpoint import CHECKPOINTS, Checkpoint
from tests.benchmarks._matting import SIZES, cut_out, models, photo, upstream_cut_out
from tests.benchmarks.harness import Goal, Report, interleaved, medians
from tests.upstream import remover

if TYPE_CHECKING:
    from perkie_cli.engines.inspyrenet.backend import Backend

# Dense half-precision peaks from the vendor's data sheets, in TFLOP/s.
PEAKS = {"L4": 121.0, "T4": 65.0, "A10": 125.0, "A100": 312.0, "H100": 989.0, "H200": 989.0, "RTX PRO 6000": 504.0}
SMALL_SIDE = 96


def run(argv: list[str]) -> Report:
    from perkie_cli.engines.inspyrenet.torch_backend import available_devices

    parser = argparse.ArgumentParser(prog="matting_gpu", description=__doc__)
    parser.add_argument("--models", type=Path, help="keep made weights here for the next run")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--small", action="store_true", help=f"networks of {SMALL_SIDE} px, which speak of no speed")
    parser.add_argument("--images", type=int, default=64, help="a multiple of --jobs")
    parser.add_argument("--jobs", type=int, default=8, help="pictures in hand at once, for the best throughput")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compiler", default="inductor", help="backend of torch.compile")
    asked = parser.parse_args(argv)
    devices = available_devices()
    if asked.device not in devices:
        raise SystemExit(f"matting_gpu: torch sees no {asked.device} here; there is: {', '.join(devices)}")
    name, peak = devices[asked.device], _peak(devices[asked.device], asked.device)
    report = Report(f"matting_gpu on {name}")
    with models(asked.models, [], exported=False) as weights, tempfile.TemporaryDirectory() as place:
        source = photo(Path(place), SIZES["0.7 MP"])
        # Identical pictures at once would share one run: each gets bytes of its own.
        sources = [source.with_name(f"in-{index}.jpg") for index in range(asked.images)]
        for index, each in enumerate(sources):
            each.write_bytes(source.read_bytes() + bytes(index + 1))
        for mode, checkpoint in CHECKPOINTS.items():
            chosen = replace(checkpoint, side=SMALL_SIDE) if asked.small else checkpoint
            _measure(report, mode, chosen, asked, weights, sources, peak)
    report.notes.append(f"Peak: {peak / 1e12:.3g} TFLOP/s. Compiled by {asked.compiler}; the first run is not counted.")
    return report


def _measure(
    report: Report,
    mode: str,
    checkpoint: Checkpoint,
    asked: argparse.Namespace,
    weights: Path,
    sources: Sequence[Path],
    peak: float,
) -> None:
    place, many = sources[0].parent, asked.jobs
    theirs = remover(weights / checkpoint.file, mode, checkpoint.side, place, device=asked.device, foreground=True)
    plain, compiled = (_backend(weights, checkpoint, asked.device, each) for each in (None, asked.compiler))
    ours = _services(plain)
    flops = _flops(plain)
    one, best, best_compiled = "ours, one at a time", f"ours, {many} at once", f"network, batch {many}, compiled"
    with asyncio.Runner() as runner:
        cases = {
            "upstream": lambda: _upstream_all(theirs, sources, place / "theirs.png"),
            one: lambda: runner.run(_cut_out_all(ours, sources, mode, 1)),
            best: lambda: runner.run(_cut_out_all(ours, sources, mode, many)),
            "network, batch 1": lambda: _run_network(plain, asked.images, 1),
            "network, batch 1, compiled": lambda: _run_network(compiled, asked.images, 1),
            f"network, batch {many}": lambda: _run_network(plain, asked.images, many),
            best_compiled: lambda: _run_network(compiled, asked.images, many),
        }
        seconds = medians(interleaved(cases, asked.rounds))
        runner.run(ours.aclose())
    rates = {name: asked.images / value for name, value in seconds.items()}
    for name, rate in rates.items():
        share = 100 * rate * flops / peak
        row = {"mode": mode, "": name, "images/s": rate, "× upstream": rate / rates["upstream"], "% of peak": share}
        report.rows.append(row)
    report.goals.append(Goal(f"{mode}, end to end", rates[best] / rates["upstream"], 3, at_least=True))
    gain = rates[best_compiled] / rates[f"network, batch {many}"]
    report.goals.append(Goal(f"{mode}, compilation pays", gain, 1.1, at_least=True))


def _backend(weights: Path, checkpoint: Checkpoint, device: str, compiler: str | None) -> Backend:
    from perkie_cli.engines.inspyrenet.network import open_network
    from perkie_cli.engines.inspyrenet.torch_backend import TorchBackend

    network = open_network(weights / checkpoint.file, checkpoint.side)
    return TorchBackend(network, checkpoint.side, device, compiler=compiler)


def _services(backend: Backend) -> Services:
    from perkie_cli.engines.inspyrenet.engine import InspyrenetEngine
    from perkie_cli.system.threads import thread_workers

    engine = InspyrenetEngine(lambda _: backend, workers=thread_workers(8), inference=thread_workers(1))
    return build_services(Settings(), matting_engines={"inspyrenet": engine})


async def _cut_out_all(services: Services, sources: Sequence[Path], mode: str, jobs: int) -> None:
    queue = iter(sources)

    async def lane() -> None:
        for each in queue:
            await cut_out(services, each, each.with_suffix(".png"), mode)

    await asyncio.gather(*(lane() for _ in range(jobs)))


def _upstream_all(theirs: Any, sources: Sequence[Path], target: Path) -> None:
    for each in sources:
        upstream_cut_out(theirs, each, target)


def _run_network(backend: Backend, images: int, batch: int) -> None:
    side = backend.sides[0]
    pixels = np.random.default_rng(0).standard_normal((batch, 3, side, side), np.float32)
    for _ in range(images // batch):
        backend.saliency(pixels)


def _flops(backend: Any) -> float:
    """Of one picture: twice the multiply-adds, counted by torch."""
    from torch.utils.flop_counter import FlopCounterMode

    side = backend.sides[0]
    with FlopCounterMode(display=False) as counter:
        backend.saliency(np.zeros((1, 3, side, side), np.float32))
    return float(counter.get_total_flops())


def _peak(name: str, device: str) -> float:
    """FLOP/s: the data sheet's where the name is there, else those of a large product of matrices."""
    words = f" {name.replace('-', ' ')} "  # so that an L40S is no L4
    return next((1e12 * peak for key, peak in PEAKS.items() if f" {key} " in words), None) or _product_rate(device)


def _product_rate(device: str) -> float:
    import torch

    side, on_gpu = (8192, True) if device != "cpu" else (2048, False)
    matrix = torch.ones(side, side, device=device, dtype=torch.float16 if on_gpu else torch.float32)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        (matrix @ matrix)[0, 0].item()  # waits for the device
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best
