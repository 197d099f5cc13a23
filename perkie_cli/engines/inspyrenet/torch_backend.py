"""The network on torch: any device, half precision on CUDA, batches, compiled on request."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perkie_cli.engines.inspyrenet import network as networks
from perkie_cli.engines.inspyrenet.backend import within_memory
from perkie_cli.engines.inspyrenet.compiled import Compiled
from perkie_cli.engines.inspyrenet.half import half_precision, in_float32

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]


class TorchBackend:
    """One network on one device. Thread-safe: no state is kept between calls."""

    def __init__(
        self,
        network: torch.nn.Module,
        side: int,
        device: str,
        threads: int = 0,
        *,
        half: bool | None = None,
        compiler: str | None = None,
    ) -> None:
        """``network`` with its weights, built for ``side``; it is changed.

        ``device`` as torch spells it; ``threads`` 0 leaves torch's own choice; ``half`` None means on CUDA;
        ``compiler`` names a backend of torch.compile. Raises: OutOfMemory.
        """
        self._torch = networks.import_torch()
        self._threads = threads or self._torch.get_num_threads()
        on_cuda = device.startswith("cuda")
        self.device = device
        self.sides: tuple[int, ...] = (side, side // 2)
        self.batch = 8 if on_cuda else 1  # on a CPU a batch gains 2 % and delays the first picture
        half = on_cuda if half is None else half
        # The CPU allocator has no error class of its own, and nothing else fails for inputs of a known size.
        self._errors = (RuntimeError, MemoryError) if device == "cpu" else (self._torch.OutOfMemoryError,)
        self._network = within_memory(lambda: prepare(network, device, half=half), device, *self._errors)
        if compiler is not None:
            self._network = Compiled(self._network, compiler)

    def saliency(self, batch: Floats) -> Floats:
        """float32 (n, h, w) probabilities for float32 (n, 3, h, w). Raises: OutOfMemory, MissingExtra."""
        return within_memory(lambda: self._run(batch), self.device, *self._errors)

    def _run(self, batch: Floats) -> Floats:
        torch = self._torch
        torch.set_num_threads(self._threads)  # per calling thread: the number of threads changes the last bit of sums
        with torch.inference_mode():
            pixels = torch.from_numpy(batch).to(self.device, memory_format=torch.channels_last)
            return np.asarray(self._network(pixels)[:, 0].cpu().numpy(), np.float32)


def prepare(network: torch.nn.Module, device: str, *, half: bool = False) -> Any:
    """As ``networks.saliency_of``, on the device: batch normalisation folded, channels last, ``half`` in float16."""
    torch = networks.import_torch()
    module: Any  # the package has no types
    for module in network.modules():
        if isinstance(getattr(module, "bn", None), torch.nn.BatchNorm2d):
            module.conv = torch.nn.utils.fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = None
        if type(module).__name__ in ("SelfAttention", "SICA"):
            _keep_contiguous(module)
    for module in [each for each in network.modules() if type(each).__name__ == "SICA"]:
        module.conv_key, module.conv_value = (in_float32(each) for each in (module.conv_key, module.conv_value))
    network.to(device)  # the network's own ``to``, which also moves its plain tensors and only accepts a device
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    return networks.saliency_of(network, half_precision(device) if half else contextlib.nullcontext)


def _keep_contiguous(module: torch.nn.Module) -> None:
    """Keeps these modules contiguous: they view tensors as (n, c, h·w), which channels-last memory does not allow."""
    module.register_forward_pre_hook(lambda _, inputs: tuple(each.contiguous() for each in inputs))
    for name, child in module.named_children():
        if name.endswith(("_query", "_key", "_value", "query_conv", "key_conv", "value_conv")):
            child.register_forward_hook(lambda _module, _inputs, output: output.contiguous())


def available_devices() -> dict[str, str]:
    """Device → its name, best first; always includes ``cpu``. Raises: MissingExtra."""
    torch = networks.import_torch()
    found = {f"cuda:{index}": torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    return {**found, "cpu": "CPU"}
