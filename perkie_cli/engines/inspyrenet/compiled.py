"""The network with torch.compile: its first picture takes minutes, later ones may be faster."""

from __future__ import annotations

from typing import Any

from perkie_cli.domain.errors import MissingExtra
from perkie_cli.engines.inspyrenet.network import import_torch


class Compiled:
    """Called like the network. Every input size and every batch size (a power of two) is compiled at its first use."""

    def __init__(self, network: Any, compiler: str) -> None:
        """``network`` from ``network.saliency_of``; ``compiler``: ``inductor`` or another backend of torch.compile."""
        self._torch = import_torch()
        self._network = network
        self._compiler = compiler
        self.programs: dict[tuple[int, ...], Any] = {}

    def __call__(self, pixels: Any) -> Any:
        """Runs the network. Raises: MissingExtra if there is no compiler."""
        torch = self._torch
        count = len(pixels)
        padding = pixels.new_zeros((1 << (count - 1).bit_length()) - count, *pixels.shape[1:])
        padded = torch.cat([pixels, padding]).contiguous(memory_format=torch.channels_last)
        try:
            return self._program(padded)(padded)[:count]
        except torch._dynamo.exc.TorchDynamoException as error:  # noqa: SLF001  # where torch keeps it
            raise MissingExtra(
                f"torch cannot compile the network here: {type(error).__name__}",
                hint="It needs Triton (on a GPU) or a C++ compiler (on a CPU); or set matting.compile to false.",
            ) from error

    def _program(self, pixels: Any) -> Any:
        """The compiled program. It is traced, since source inspection fails: stub modules from the import are gone."""
        torch = self._torch
        shape = tuple(pixels.shape)
        if shape not in self.programs:
            with torch.no_grad():
                traced = torch.export.export(self._network, (pixels,), strict=False).module()
            self.programs[shape] = torch.compile(traced, backend=self._compiler, dynamic=False)
        return self.programs[shape]
