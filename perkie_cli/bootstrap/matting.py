"""The parts of the composition root that remove backgrounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.bootstrap.stores import StoreParts
from perkie_cli.config.load import user_data_dir
from perkie_cli.system.threads import thread_workers

if TYPE_CHECKING:
    from perkie_cli.domain.cutouts.checkpoint import Checkpoint
    from perkie_cli.engines.inspyrenet.backend import Backend
    from perkie_cli.engines.inspyrenet.engine import InspyrenetEngine
    from perkie_cli.ports import MattingEngine
    from perkie_cli.resilience.admission import Admission
    from perkie_cli.services.cutouts.cut_out import Cutouts
    from perkie_cli.services.cutouts.evaluate import Evaluate
    from perkie_cli.services.cutouts.source import CutoutSource
    from perkie_cli.services.cutouts.weights import ModelFiles


class MattingParts(StoreParts):
    """Engines, weights and the cut-out service."""

    @cached_property
    def model_dirs(self) -> tuple[Path, ...]:
        """Where model files are looked for: our own folder, then transparent-background's."""
        theirs = Path(self.environ.get("TRANSPARENT_BACKGROUND_FILE_PATH", "~")).expanduser()
        own = self.settings.matting.models_dir or user_data_dir(self.environ) / "models"
        return own, theirs / ".transparent-background"

    @cached_property
    def model_files(self) -> ModelFiles:
        """Checkpoints of background removal."""
        from perkie_cli.services.cutouts.weights import ModelFiles, WeightSources
        from perkie_cli.stores.downloads import HttpDownloads

        matting = self.settings.matting
        urls = tuple(url for url in (matting.mirror_url, matting.weights_url) if url)
        sources = WeightSources(self.model_dirs, urls, self.settings.general.offline)
        return ModelFiles(sources, HttpDownloads(), self.workers, _origin_of)

    @cached_property
    def matting_engines(self) -> Mapping[str, MattingEngine]:
        """Background removers by name, and ``auto``: never the builtin one."""
        from perkie_cli.engines.builtin import BuiltinEngine

        engines: dict[str, MattingEngine] = {"inspyrenet": self.inspyrenet, "builtin": BuiltinEngine(self.workers)}
        if self.settings.matting.remote_url is not None:
            engines["remote"] = self.remote_matting
        return {"auto": engines.get("remote", self.inspyrenet), **engines}

    @cached_property
    def inspyrenet(self) -> InspyrenetEngine:
        """The network, on this machine."""
        from perkie_cli.engines.inspyrenet.choose import open_backend
        from perkie_cli.engines.inspyrenet.engine import InspyrenetEngine

        matting = self.settings.matting

        def load(checkpoint: Checkpoint) -> Backend:
            return open_backend(
                checkpoint,
                self.model_dirs,
                matting.device,
                matting.backend,
                matting.threads,
                compiled=matting.compile,
            )

        return InspyrenetEngine(load, workers=self.workers, inference=thread_workers(1))

    def check_matting(self) -> None:
        """Whether the network could run here once its weights are. Raises: MissingExtra, MissingDevice."""
        from perkie_cli.engines.inspyrenet.choose import check_ready

        check_ready(self.settings.matting.device)

    async def warm_matting(self) -> str | None:
        """Loads the network ahead of the first picture, where it is used and here; the device it is on."""
        from perkie_cli.domain.cutouts.checkpoint import checkpoint
        from perkie_cli.services.cutouts.weights import WeightState

        matting = self.settings.matting
        found = self.model_files.look(checkpoint(matting.mode))
        absent = found.state is WeightState.ABSENT and found.exported is None
        if absent or self.matting_engines.get(matting.engine) is not self.inspyrenet:
            return None
        return await self.inspyrenet.warm_up(matting.mode)

    async def export_checkpoint(self, wanted: Checkpoint, source: Path) -> Path:
        """An ONNX file of the checkpoint, in our folder. Raises: MissingExtra, MissingWeights."""
        from perkie_cli.engines.inspyrenet.export import export

        return await self.workers.run(export, wanted, source, self.model_files.folder)

    @cached_property
    def remote_matting(self) -> MattingEngine:
        """Another perkie, inside its guard."""
        from perkie_cli.bootstrap.guard import build_guard
        from perkie_cli.engines.remote import RemoteEngine
        from perkie_cli.resilience.guarded_matting import GuardedMattingEngine
        from perkie_cli.resilience.retry import TimeRules
        from perkie_cli.resilience.upstream_limits import UpstreamPolicy

        matting = self.settings.matting
        assert matting.remote_url is not None, "the engine is only offered where there is an address"
        key = self.resolved(matting.remote_key)
        shown = None if key is None else key.reveal()
        engine = RemoteEngine(matting.remote_url, key=shown, workers=self.workers, clock=self.clock)
        # Ours, so it refuses what is too much for it; a cold start of the GPU service alone takes 30 to 60 s.
        guard = build_guard("matting", self.clock, self.events, UpstreamPolicy(), TimeRules(attempt_at_most=120.0))
        return GuardedMattingEngine(engine, guard)

    @cached_property
    def matting_admission(self) -> Admission:
        """Its own gate, not that of drawing: a drawing holds its place while it waits for a cut-out."""
        from perkie_cli.resilience.admission import Admission

        return Admission(self.settings.image.pixels_in_work, math.inf, "cutting out")

    @cached_property
    def cutouts(self) -> Cutouts:
        """One picture without its background."""
        from perkie_cli.services.cutouts.cut_out import Configured, Cutouts

        matting = self.settings.matting
        return Cutouts(
            engines=self.matting_engines,
            configured=Configured(matting.engine, matting.mode),
            cache=self.pictures,
            workers=self.workers,
            clock=self.clock,
            limits=self.limits,
            admission=self.matting_admission,
        )

    @cached_property
    def cutout_source(self) -> CutoutSource:
        """Cut-outs for styling."""
        from perkie_cli.services.cutouts.source import CutoutSource

        return CutoutSource(lambda: self.cutouts)

    @cached_property
    def evaluate(self) -> Evaluate:
        """Scores of background removal."""
        from perkie_cli.services.cutouts.evaluate import Evaluate

        return Evaluate(self.cutouts, self.workers, self.limits)


def _origin_of(exported: Path) -> str | None:
    """``export.exported_from``, importing it late."""
    from perkie_cli.engines.inspyrenet.export import exported_from

    return exported_from(exported)
