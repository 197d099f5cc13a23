"""Model files and their evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.config.load import user_config_dir
from perkie_cli.config.networks import load_networks
from perkie_cli.domain.cutouts.network import MattingNetwork
from perkie_cli.ports import ModelStore
from perkie_cli.services.cutouts.evaluate import Evaluate
from perkie_cli.services.cutouts.weights import ModelFiles, WeightSources
from perkie_cli.stores.disk.models import DiskModels
from perkie_cli.stores.disk.pairs import DiskPairs
from perkie_cli.stores.downloads import HttpDownloads

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def model_store(its: Services) -> ModelStore:
    """The folders of model files."""
    return DiskModels(its.model_dirs)


def networks(its: Services) -> Mapping[str, MattingNetwork]:
    """The data of the matting networks, by id."""
    named = its.settings.gemini.models_file
    return load_networks(named or user_config_dir(its.environ) / "models.toml", required=named is not None)


def model_files(its: Services) -> ModelFiles:
    """Finds, downloads and checks checkpoints."""
    matting = its.settings.matting
    urls = tuple(url for url in (matting.mirror_url, matting.weights_url) if url)
    sources = WeightSources(urls, its.settings.general.offline)
    return ModelFiles(its.model_store, sources, HttpDownloads(), its.workers, _origin_of)


def evaluate(its: Services) -> Evaluate:
    """Scores background removal on photos whose true mattes are known."""
    return Evaluate(its.cutouts, DiskPairs(), its.workers, its.limits)


def _origin_of(exported: Path) -> str | None:
    """Calls ``exported_from``; imported late because it needs ONNX Runtime."""
    from perkie_cli.engines.inspyrenet.export import exported_from

    return exported_from(exported)
