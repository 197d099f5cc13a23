"""Background removal with a network of models.toml behind ``ports.MattingEngine``."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

from perkie_cli.domain.cutouts.network import MattingNetwork
from perkie_cli.domain.errors import MissingWeights
from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.ports import Matte, MattingJob, ModelStore, Workers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from perkie_cli.engines.networks.session import NetworkSession

_VERSION = "1"  # increase it when alpha changes


class NetworkEngine:
    """Loads its file at the first picture and keeps it until the file changes. It has no modes."""

    def __init__(self, network: MattingNetwork, files: ModelStore, workers: Workers, threads: int = 0) -> None:
        self.name = network.id
        self._network = network
        self._files = files
        self._workers = workers
        self._threads = threads
        self._loading = asyncio.Lock()
        self._session: NetworkSession | None = None
        self._opened = ""  # the edition of the file
        self._known = ("", "")  # an edition, and its content

    def recipe(self, mode: str) -> Recipe:
        """The same for every mode; another file or row gives another recipe."""
        del mode
        return Recipe(self.name, self._network.id, _VERSION, {**asdict(self._network), "content": self._content()})

    async def warm_up(self, mode: str) -> str:
        """Loads the network before the first picture; returns its device. Raises: as ``matte``."""
        del mode
        await self._loaded()
        return "cpu"

    async def matte(self, job: MattingJob) -> Matte:
        """Finds the subject. Raises: MissingWeights, OutOfMemory, InvalidSetting if row and file do not match."""
        session = await self._loaded()
        found = await self._workers.run(_find, session, self._network, job.raster.rgb)
        return Matte(*found[:2], self.name, self._network.id, "cpu", found[2])

    async def aclose(self) -> None:
        """Drops the network."""
        self._session = None

    async def _loaded(self) -> NetworkSession:
        async with self._loading:
            edition = self._edition()
            if self._session is None or edition not in ("", self._opened):  # what is loaded outlives its file
                self._session = None  # two at once may be too large
                self._session = await self._workers.run(self._open)
                self._opened = edition
            return self._session

    def _edition(self) -> str:
        path = self._files.find(self._network.file)
        return "" if path is None else self._files.edition(path)

    def _content(self) -> str:
        """Of the file, read once for each edition: servers that share a cache have copies of different age."""
        path = self._files.find(self._network.file)
        if path is None:
            return ""
        edition = self._files.edition(path)
        if edition != self._known[0]:
            self._known = edition, self._files.sample(path)
        return self._known[1]

    def _open(self) -> NetworkSession:
        from perkie_cli.engines.networks.session import open_network

        path = self._files.find(self._network.file)
        if path is None:
            raise MissingWeights(
                f"{self._network.file} of network {self.name} is not on this machine",
                hint=f"Put it into {self._files.folder}, or into rembg's model folder.",
            )
        return open_network(self._network, path, self._threads)


class NetworkEngines(dict[str, NetworkEngine]):
    """Networks by id, closed together."""

    async def aclose(self) -> None:
        """Closes each."""
        for engine in self.values():
            await engine.aclose()


def _find(
    session: NetworkSession, network: MattingNetwork, rgb: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], float, tuple[str, ...]]:
    from perkie_cli.engines.networks.matte import matte

    return matte(session, network, rgb)
