"""Builds the network of the transparent-background package and loads a checkpoint, fast and with checks.

Only the network's own modules are imported. The package itself imports torchvision, albumentations, a GUI and a JIT
compiler that are not needed here, takes seconds longer, and fails if torchvision was built for another torch.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import pickle
import sys
import types
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perkie_cli.domain.errors import MissingWeights
from perkie_cli.engines.inspyrenet.backend import missing

if TYPE_CHECKING:
    import torch

_PACKAGE = "transparent_background"
_PULL = "Download it again: perkie models pull --force."


def import_torch() -> Any:
    """The torch module.

    Raises: MissingExtra.
    """
    try:
        import torch
    except ImportError as error:
        raise missing("torch") from error
    return torch


def open_network(path: Path, side: int) -> torch.nn.Module:
    """The network for inputs of ``side`` px, in evaluation mode, with the weights of a checkpoint file.

    Raises: MissingExtra, MissingWeights.
    """
    network = build(side)
    load(network, path)
    return network


def saliency_of(network: Any, precision: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext) -> Any:
    """A module: float32 (n, 1, h, w) probabilities, not stretched, for float32 (n, 3, h, w)."""
    torch = import_torch()

    class Saliency(torch.nn.Module):  # type: ignore[name-defined,misc]  # torch is imported late
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: Any) -> Any:
            with precision():
                logits = self.network.forward_inspyre(pixels)["saliency"][-1]
            return torch.sigmoid(logits.float())

    return Saliency().eval()


def build(side: int) -> torch.nn.Module:
    """The network for inputs of ``side`` px, in evaluation mode, its weights not yet set.

    Raises: MissingExtra.
    """
    torch = import_torch()
    with network_modules() as module, _without_initialisation(torch):
        network = module.InSPyReNet_SwinB(depth=64, pretrained=False, base_size=[side, side], threshold=None)
    network.eval()
    return network  # type: ignore[no-any-return]  # the package has no types


def load(network: torch.nn.Module, path: Path) -> None:
    """Loads the weights from a memory-mapped checkpoint file.

    Raises: MissingWeights when the file is missing, corrupt or of another network.
    """
    weights = read_checkpoint(path)
    _check_same_network(network.state_dict(), weights, path)
    network.load_state_dict(weights, assign=True)
    network.requires_grad_(False)


def read_checkpoint(path: Path) -> Mapping[str, torch.Tensor]:
    """The tensors of a checkpoint file; code in it is never executed.

    Raises: MissingWeights.
    """
    torch = import_torch()
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except FileNotFoundError as error:
        raise MissingWeights(f"there is no checkpoint {path}", hint="Get it: perkie models pull.") from error
    except OSError as error:
        raise MissingWeights(f"checkpoint {path} cannot be read: {error.strerror}", hint=_PULL) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise MissingWeights(f"checkpoint {path} is corrupt or not a checkpoint", hint=_PULL) from error
    if not isinstance(weights, Mapping) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise MissingWeights(f"checkpoint {path} contains no weights", hint=_PULL)
    return weights


def _check_same_network(own: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> None:
    for name in own.keys() | given.keys():
        if name not in given or name not in own or own[name].shape != given[name].shape:
            raise MissingWeights(
                f"checkpoint {path} is of another network: it does not fit at {name!r}",
                hint="perkie runs the base and fast checkpoints of transparent-background 1.2.12: perkie models pull.",
            )


@contextlib.contextmanager
def network_modules() -> Iterator[Any]:
    """The package's network module, imported with stubs for modules that it imports but hardly uses.

    The stubs are removed afterwards, so that the real packages can be imported. Its deprecation warnings are
    suppressed. Raises: MissingExtra.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise missing("transparent-background")
    stand_ins = _stand_ins(list(spec.submodule_search_locations))
    saved_path, saved = list(sys.path), {name: sys.modules.pop(name) for name in list(sys.modules) if _is_ours(name)}
    sys.modules.update(stand_ins)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield importlib.import_module(f"{_PACKAGE}.InSPyReNet")
    finally:
        for name in [name for name in sys.modules if _is_ours(name)]:
            del sys.modules[name]
        sys.modules.update(saved)
        sys.path[:] = saved_path  # the package's modules append to it


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in (_PACKAGE, "timm", "kornia")


def _stand_ins(folder: list[str]) -> dict[str, types.ModuleType]:
    """Stubs: the package without its ``__init__``, and the names that the network imports from timm and kornia.

    In evaluation DropPath returns its input, the checkpoint overwrites the initialised weights, and the morphology is
    for a mode that is never used here.
    """
    torch = import_torch()

    def pair(value: Any) -> Any:
        return value if isinstance(value, list | tuple) else (value, value)

    package = types.ModuleType(_PACKAGE)
    package.__path__ = folder
    layers = {"DropPath": torch.nn.Identity, "to_2tuple": pair, "trunc_normal_": lambda tensor, **_: tensor}
    return {
        _PACKAGE: package,
        "timm": types.ModuleType("timm"),
        "timm.layers": _module("timm.layers", layers),
        "kornia": types.ModuleType("kornia"),
        "kornia.morphology": _module("kornia.morphology", {"dilation": None, "erosion": None}),
    }


def _module(name: str, content: Mapping[str, Any]) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(content)
    return module


def _without_initialisation(torch: Any) -> Any:
    """A context in which ``torch.nn.init`` does nothing: 90 million random numbers take longer than the loading."""

    class SkipInitialisation(torch.overrides.TorchFunctionMode):  # type: ignore[misc]  # torch is imported late
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__module__", "") == "torch.nn.init":
                return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
            return func(*args, **(kwargs or {}))

    return SkipInitialisation()
