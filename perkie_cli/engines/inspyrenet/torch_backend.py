"""The network on torch: any device, half precision on CUDA, batches."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perkie_cli.engines.inspyrenet import network as networks
from perkie_cli.engines.inspyrenet.backend import OutOfMemory

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]


class TorchBackend:
    """One loaded checkpoint on one device. Calls from several threads are safe: nothing is kept between them."""

    def __init__(self, path: Path, side: int, device: str, threads: int = 0, half: bool | None = None) -> None:
        """``device`` as torch spells it; ``threads`` 0 leaves torch's own choice; ``half`` None means on CUDA.

        Raises: MissingExtra, MissingWeights.
        """
        self._torch = networks.import_torch()
        self._threads = threads or self._torch.get_num_threads()
        self._half = device.startswith("cuda") if half is None else half
        self.device = device
        self.side = side
        self.batch = 8 if device.startswith("cuda") else 1  # on a CPU a batch gains 2 % and holds up the first
        network = networks.build(side)
        networks.load(network, path)
        self._network = prepare(network, device)

    def saliency(self, batch: Floats) -> Floats:
        """float32 (n, h, w) probabilities for float32 (n, 3, h, w). Raises: OutOfMemory."""
        torch = self._torch
        torch.set_num_threads(self._threads)  # of the calling thread: sums differ in the last bit with their number
        try:
            with torch.inference_mode(), self._precision():
                pixels = torch.from_numpy(batch).to(self.device, memory_format=torch.channels_last)
                logits = self._network.forward_inspyre(pixels)["saliency"][-1]
                result = torch.sigmoid(logits.float())[:, 0].cpu().numpy()
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise OutOfMemory from error
        return np.asarray(result, np.float32)

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        if not self._half:
            return contextlib.nullcontext()
        stack = contextlib.ExitStack()
        stack.enter_context(self._torch.autocast(self.device.partition(":")[0], self._torch.float16))
        stack.enter_context(_sums_in_float32(self._torch))
        return stack


def prepare(network: torch.nn.Module, device: str) -> Any:
    """Folds batch normalisation into convolutions, lays their weights out channels-last and moves all to the device."""
    torch = networks.import_torch()
    module: Any  # the package has no types
    for module in network.modules():
        if isinstance(getattr(module, "bn", None), torch.nn.BatchNorm2d):
            module.conv = torch.nn.utils.fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = None
        if type(module).__name__ in ("SelfAttention", "SICA"):
            _keep_contiguous(module)
    for module in [each for each in network.modules() if type(each).__name__ == "SICA"]:
        module.conv_key, module.conv_value = (_in_float32(each) for each in (module.conv_key, module.conv_value))
    network.to(device)  # upstream's own ``to``, which moves its plain tensors too and takes a device only
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    return network


def _keep_contiguous(module: torch.nn.Module) -> None:
    """These modules take views of their tensors as (n, c, h·w), which channels-last memory cannot give."""
    module.register_forward_pre_hook(lambda _, inputs: tuple(each.contiguous() for each in inputs))
    for name, child in module.named_children():
        if name.endswith(("_query", "_key", "_value", "query_conv", "key_conv", "value_conv")):
            child.register_forward_hook(lambda _module, _inputs, output: output.contiguous())


def _in_float32(module: Any) -> Any:
    """The module, computing in float32 also where its surroundings use half precision."""
    torch = networks.import_torch()

    class InFloat32(torch.nn.Module):  # type: ignore[name-defined,misc]  # torch is imported late
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, values: Any) -> Any:
            with torch.autocast(values.device.type, enabled=False):
                return self.inner(values.float())

    return InFloat32()


def _sums_in_float32(torch: Any) -> Any:
    """For SICA's sums over all pixels, one for each of its 3 or 5 contexts: in float16 a million terms overflow."""

    class SumsInFloat32(torch.overrides.TorchFunctionMode):  # type: ignore[misc]  # likewise
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.bmm and args[0].shape[1] in (3, 5):
                with torch.autocast(args[0].device.type, enabled=False):
                    return torch.bmm(args[0].float(), args[1].float())
            return func(*args, **(kwargs or {}))

    return SumsInFloat32()


def available_devices() -> dict[str, str]:
    """Device → its name, best first; always holds ``cpu``. Raises: MissingExtra."""
    torch = networks.import_torch()
    found = {f"cuda:{index}": torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    return {**found, "cpu": "CPU"}
