"""Random weights for the real network (368 MB) and for a small one, whose saliency is neither saturated nor flat."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from perkie_cli.engines.inspyrenet import network
from perkie_cli.engines.inspyrenet.tensors import to_input
from tests.fur import make_fur
from tests.pictures import photo


@contextlib.contextmanager
def made_weights(*files: str, side: int = 192) -> Iterator[Path]:
    """A folder with the checkpoint under each of the names; gone afterwards. ``side`` as for ``make_checkpoint``."""
    with tempfile.TemporaryDirectory(prefix="perkie-weights-") as folder:
        first, *others = (Path(folder) / name for name in files)
        make_checkpoint(first, side)
        for other in others:
            other.hardlink_to(first)
        yield Path(folder)


def make_checkpoint(path: Path, side: int = 192) -> None:
    """``side``: of the pictures that its statistics are of. It takes inputs of every size."""
    import torch

    net: Any = network.build(side)
    _fill(net, side)
    torch.save(net.state_dict(), path)


def small_network(side: int) -> Any:
    """The real classes with a hundredth of the weights. Of the five contexts, which are alike, one is real."""
    import torch

    torch.set_num_threads(1)  # small networks on shared cores: a second thread mostly waits
    with network.network_modules() as module:
        swin = sys.modules["transparent_background.backbones.SwinTransformer"].SwinTransformer
        backbone = swin(embed_dim=16, depths=[1, 2, 1, 1], num_heads=[1, 2, 4, 8], window_size=6)
        net = module.InSPyReNet(backbone, [16, 16, 32, 64, 128], 8, [side, side], None).eval()
    for number, channels in ((1, 16), (2, 16), (4, 64), (5, 128)):
        setattr(net, f"context{number}", torch.nn.Conv2d(channels, 8, 1))
    _fill(net, side)
    return net.requires_grad_(False)


def _fill(net: Any, side: int) -> None:
    import torch

    torch.manual_seed(0)
    for name, parameter in net.named_parameters():
        _draw(name, parameter)
    pictures = [make_fur((200, 180, 150), (40, 70, 40)).picture, make_fur((40, 40, 45), (220, 225, 230)).picture]
    pixels = torch.from_numpy(np.stack([to_input(each, side) for each in (*pictures, np.asarray(photo()))]))
    # One look at some pictures sets the batch statistics, so that activations neither fade nor explode on the way.
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
            module.train()
    with torch.no_grad():
        net.forward_inspyre(pixels)
        net.eval()
        _calm(net)
        _centre(net, pixels)


def _draw(name: str, parameter: Any) -> None:
    import torch

    if name.endswith("gamma"):
        torch.nn.init.constant_(parameter, 0.3)
    elif "relative_position_bias_table" in name:
        torch.nn.init.normal_(parameter, std=0.02)
    elif name.endswith("threshold") or "norm" in name or ".bn." in name:
        torch.nn.init.constant_(parameter, 0.5 if "threshold" in name else float(name.endswith("weight")))
    elif parameter.dim() >= 2:
        torch.nn.init.normal_(parameter, std=float(np.sqrt(1.5 / parameter[0].numel())))
    else:
        torch.nn.init.constant_(parameter, 0)


def _calm(net: Any) -> None:
    """Keys and values are sums over all pixels: without training they outgrow the rest on a larger or other picture."""
    import torch

    for name, module in net.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d) and ("conv_key" in name or "conv_value" in name):
            assert module.running_var is not None
            assert module.running_mean is not None
            module.running_var.add_(module.running_mean**2).mul_(1000)
            module.running_mean.zero_()


def _centre(net: Any, pixels: Any) -> None:
    """Scales and shifts what the stages add up to: logits around 0 with deviation 2."""
    logits = net.forward_inspyre(pixels)["saliency"][-1]
    last = [getattr(net, f"attention{stage}").conv_out4.bn for stage in range(3)]
    for weight in (net.decoder.conv5.conv.weight, *(norm.weight for norm in last)):
        weight.mul_(2 / logits.std())
    last[0].bias.sub_(net.forward_inspyre(pixels)["saliency"][-1].mean())
