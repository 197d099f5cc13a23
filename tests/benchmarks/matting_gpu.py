"""Images a second on a CUDA GPU, photo bytes to RGBA PNG bytes, against transparent-background's Remover on it.

To be run by hand on a machine with a GPU: ``python -m tests.benchmarks matting_gpu --models /tmp/models``.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np

from perkie_cli.domain.checkpoint import CHECKPOINTS
from tests.benchmarks._matting import SIZES, cut_out, models, our_services, photo, upstream_cut_out
from tests.benchmarks.harness import Goal, Report
from tests.upstream import remover

# Dense half-precision peaks from the vendor's data sheets, in TFLOP/s.
PEAKS = {"L4": 121.0, "T4": 65.0, "A10": 125.0, "A100": 312.0, "H100": 989.0, "H200": 989.0, "RTX PRO 6000": 504.0}


def run(argv: list[str]) -> Report:
    import torch

    parser = argparse.ArgumentParser(prog="matting_gpu", description=__doc__)
    parser.add_argument("--models", type=Path, help="keep made weights here for the next run")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--jobs", type=int, default=12, help="pictures in hand at once, for the best throughput")
    asked = parser.parse_args(argv)
    if not torch.cuda.is_available():
        raise SystemExit("matting_gpu: torch sees no CUDA device here")
    report = Report(f"matting_gpu on {torch.cuda.get_device_name(0)}")
    with models(asked.models, [], exported=False) as weights, tempfile.TemporaryDirectory() as place:
        for mode in CHECKPOINTS:
            _measure(report, mode, asked, weights, Path(place))
    return report


def _measure(report: Report, mode: str, asked: argparse.Namespace, weights: Path, place: Path) -> None:
    checkpoint, source = CHECKPOINTS[mode], photo(place, SIZES["0.7 MP"])
    theirs = remover(weights / checkpoint.file, mode, checkpoint.side, place, device="cuda:0", foreground=True)
    flops, peak = _network_flops(weights, mode), _peak()
    with asyncio.Runner() as runner:
        ours = our_services(weights, device="cuda:0")
        rates = {
            "upstream": _upstream_rate(theirs, source, place, asked.images),
            "ours, one at a time": runner.run(_our_rate(ours, source, place, mode, asked.images, 1)),
            f"ours, {asked.jobs} at once": runner.run(_our_rate(ours, source, place, mode, asked.images, asked.jobs)),
        }
        rates["network alone, best batch"] = _network_rate(weights, mode)
        runner.run(ours.aclose())
    for name, rate in rates.items():
        share = f"{100 * rate * flops / 1e12 / peak:.1f}" if peak else "?"
        row = {"mode": mode, "": name, "images/s": rate, "× upstream": rate / rates["upstream"], "% of peak": share}
        report.rows.append(row)
    best = rates[f"ours, {asked.jobs} at once"] / rates["upstream"]
    report.goals.append(Goal(f"{mode}, end to end", best, 3, at_least=True))


def _upstream_rate(theirs, source: Path, place: Path, images: int) -> float:
    upstream_cut_out(theirs, source, place / "theirs.png")
    start = time.perf_counter()
    for _ in range(images):
        upstream_cut_out(theirs, source, place / "theirs.png")
    return images / (time.perf_counter() - start)


async def _our_rate(services, source: Path, place: Path, mode: str, images: int, jobs: int) -> float:
    await cut_out(services, source, place / "ours.png", mode)
    queue = iter(range(images))

    async def lane(number: int) -> None:
        for index in queue:
            # Identical pictures at once would be coalesced to one run: each gets bytes of its own.
            copy = place / f"in-{number}-{index}.jpg"
            copy.write_bytes(source.read_bytes() + bytes([0]) * (index + 1))
            await cut_out(services, copy, place / f"out-{number}.png", mode)
            copy.unlink()

    start = time.perf_counter()
    await asyncio.gather(*map(lane, range(jobs)))
    return images / (time.perf_counter() - start)


def _network_rate(weights: Path, mode: str) -> float:
    from perkie_cli.engines.inspyrenet.torch_backend import TorchBackend

    checkpoint = CHECKPOINTS[mode]
    backend = TorchBackend(weights / checkpoint.file, checkpoint.side, "cuda:0")
    best = 0.0
    for batch in (1, 2, 4, 8, 16):
        pixels = np.random.default_rng(0).standard_normal((batch, 3, checkpoint.side, checkpoint.side), np.float32)
        backend.saliency(pixels)
        start = time.perf_counter()
        for _ in range(5):
            backend.saliency(pixels)
        best = max(best, 5 * batch / (time.perf_counter() - start))
    return best


def _network_flops(weights: Path, mode: str) -> float:
    """Of one picture: twice the multiply-adds, counted by torch."""
    from torch.utils.flop_counter import FlopCounterMode

    from perkie_cli.engines.inspyrenet.torch_backend import TorchBackend

    checkpoint = CHECKPOINTS[mode]
    backend = TorchBackend(weights / checkpoint.file, checkpoint.side, "cuda:0")
    with FlopCounterMode(display=False) as counter:
        backend.saliency(np.zeros((1, 3, checkpoint.side, checkpoint.side), np.float32))
    return float(counter.get_total_flops())


def _peak() -> float | None:
    import torch

    name = torch.cuda.get_device_name(0)
    return next((peak for key, peak in sorted(PEAKS.items(), key=lambda each: -len(each[0])) if key in name), None)
