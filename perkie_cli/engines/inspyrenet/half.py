"""float16 where the network tolerates it. bfloat16 has a larger range, but 10 times the error with its 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from perkie_cli.engines.inspyrenet.network import import_torch


def half_precision(device: str) -> Callable[[], AbstractContextManager[object]]:
    """Makes contexts in which torch computes in float16 on that device, except where that would overflow."""
    torch = import_torch()

    def entered() -> AbstractContextManager[object]:
        stack = ExitStack()
        stack.enter_context(torch.autocast(device.partition(":")[0], torch.float16))
        stack.enter_context(sums_in_float32())
        return stack

    return entered


def in_float32(module: Any) -> Any:
    """The module, computing in float32 even inside half precision."""
    torch = import_torch()

    class InFloat32(torch.nn.Module):  # type: ignore[name-defined,misc]  # torch is imported late
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, values: Any) -> Any:
            with torch.autocast(values.device.type, enabled=False):
                return self.inner(values.float())

    return InFloat32()


def sums_in_float32() -> Any:
    """For SICA's sums over all pixels, one for each of its 3 or 5 contexts: in float16 a million terms overflow."""
    torch: Any = import_torch()

    class SumsInFloat32(torch.overrides.TorchFunctionMode):  # type: ignore[misc]  # likewise
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.bmm and args[0].shape[1] in (3, 5):
                with torch.autocast(args[0].device.type, enabled=False):
                    return torch.bmm(args[0].float(), args[1].float())
            return func(*args, **(kwargs or {}))

    return SumsInFloat32()
