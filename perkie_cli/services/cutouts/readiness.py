"""Checks that the matting engine has everything it needs, and loads it before the first picture."""

from __future__ import annotations

from collections.abc import Mapping

from perkie_cli.domain.cutouts.checkpoint import checkpoint
from perkie_cli.domain.engines import MattingChoice
from perkie_cli.domain.errors import MissingWeights
from perkie_cli.imaging import codec
from perkie_cli.ports import Loadable, MattingEngine, WarmableMatting, Workers
from perkie_cli.services.cutouts.weights import ModelFiles, WeightState
from perkie_cli.system.memory import fetch
from perkie_cli.system.waiting import begin

_FIRST_PICTURE = 128 * 2**20  # bytes: what the builtin network takes for one


class CutoutReadiness:
    """Readiness of the configured engine and mode."""

    def __init__(
        self, engines: Mapping[str, MattingEngine], choice: MattingChoice, models: ModelFiles, workers: Workers
    ) -> None:
        self._engines = engines
        self._choice = choice
        self._models = models
        self._workers = workers

    @property
    def needs_weights(self) -> bool:
        """Whether cut-outs are made with a model file in this process."""
        return self._choice.needs_weights()

    def has_weights(self) -> bool:
        """Whether the mode's model file or its export is on this machine."""
        found = self._models.look(checkpoint(self._choice.mode))
        return found.state is not WeightState.ABSENT or found.exported is not None

    def lacks_weights(self, engine: str | None = None) -> bool:
        """Whether that engine, by default the configured one, runs a model file in this process that is missing."""
        return self._choice.needs_weights(engine) and not self.has_weights()

    async def check_weights(self) -> None:
        """Checks that the model file exists. Raises: MissingWeights."""
        if not self.has_weights():
            raise MissingWeights("the network's weights are not on this machine", hint="perkie models pull")

    async def warm_up(self) -> str | None:
        """Loads the model before the first picture; returns its device.

        None if there is nothing to load: no model runs in this process, or its file is missing.

        Raises: the errors of the engine's ``matte``.
        """
        engine = self._engines.get(self._choice.engine)
        if not isinstance(engine, WarmableMatting) or self.lacks_weights():
            return None
        return await engine.warm_up(self._choice.mode)

    async def begin(self) -> None:
        """Begins to load the model, where the engine can, for a picture that will tell its errors.

        Returns when all is imported: imports of several threads take turns, but loading goes on beside them. So does
        fetching the memory for the picture.
        """
        engine: object = self._engines.get(self._choice.engine)
        if isinstance(engine, Loadable):
            begin(engine.load())
            await self._workers.run(codec.load)
            await self._workers.run(fetch, _FIRST_PICTURE)
