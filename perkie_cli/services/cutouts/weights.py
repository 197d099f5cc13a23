"""Model files: finding, verifying and downloading them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from perkie_cli.domain.cutouts.checkpoint import Checkpoint
from perkie_cli.domain.errors import MissingWeights, PerkieError, UpstreamFault
from perkie_cli.domain.frozen import frozen
from perkie_cli.ports import DownloadProgress, Downloads, ModelStore, Workers

_TRIES = 3  # attempts; each resumes the download


class WeightState(StrEnum):
    """The state of a file. Only ``verify`` reads its content."""

    ABSENT = "absent"
    PRESENT = "present"  # exists, not verified
    GOOD = "good"
    WRONG = "wrong"  # not the published file: damaged, or the user's own


@frozen
class Weights:
    """One model file. ``exported``: its ONNX export, if any. ``wrong``: the files with wrong checksums."""

    checkpoint: Checkpoint
    state: WeightState
    path: Path | None = None
    size: int = 0  # bytes
    exported: Path | None = None
    wrong: tuple[Path, ...] = ()


@frozen
class WeightSources:
    """``urls`` are tried in order; none when ``offline``."""

    urls: Sequence[str]
    offline: bool = False


class ModelFiles:
    """The use cases for model files."""

    def __init__(
        self,
        store: ModelStore,
        sources: WeightSources,
        downloads: Downloads,
        workers: Workers,
        origin_of: Callable[[Path], str | None],
    ) -> None:
        """``origin_of`` returns the MD5 of the checkpoint that an export was made from."""
        self._store = store
        self._origin_of = origin_of
        self._sources = sources
        self._downloads = downloads
        self._workers = workers

    @property
    def folder(self) -> Path:
        """The folder for downloads."""
        return self._store.folder

    def look(self, checkpoint: Checkpoint) -> Weights:
        """Checks which files exist, without reading them."""
        path = self._store.find(checkpoint.file)
        exported = self._store.find(checkpoint.onnx_file)
        if path is None:
            return Weights(checkpoint, WeightState.ABSENT, exported=exported)
        return Weights(checkpoint, WeightState.PRESENT, path, self._store.size(path), exported)

    async def verify(self, checkpoint: Checkpoint) -> Weights:
        """Reads the file and compares its checksum, and that of its export's source.

        Raises: MissingWeights when a file cannot be read.
        """
        found = self.look(checkpoint)
        tellers = ((found.path, self._store.md5), (found.exported, self._origin_of))
        checks = [(path, tell) for path, tell in tellers if path]
        if not checks or checkpoint.md5 is None:
            return found
        wrong = tuple([path for path, tell in checks if await self._workers.run(tell, path) != checkpoint.md5])
        return replace(found, state=WeightState.WRONG if wrong else WeightState.GOOD, wrong=wrong)

    async def pull(self, checkpoint: Checkpoint, progress: DownloadProgress) -> Path:
        """Downloads the file, verifies it and moves it into place. Resumes an interrupted download.

        Raises: MissingWeights when offline or when the download has a wrong checksum; the download's errors.
        """
        if self._sources.offline:
            raise MissingWeights(
                f"{checkpoint.file} must be downloaded, but PERKIE_OFFLINE forbids it",
                hint=f"Put the file into {self.folder} yourself.",
            )
        await self._download(checkpoint, progress)
        return await self._workers.run(self._store.finish, checkpoint.file)

    async def _download(self, checkpoint: Checkpoint, progress: DownloadProgress) -> None:
        # An old partial download may belong to another file: then a second, fresh download can succeed.
        for _ in range(2 if await self._workers.run(self._store.is_begun, checkpoint.file) else 1):
            await self._complete(checkpoint, progress)
            if await self._workers.run(self._is_right, checkpoint):
                return
            await self._workers.run(self._store.discard, checkpoint.file)
        raise MissingWeights(
            f"the file downloaded as {checkpoint.file} is not the published one: its checksum is wrong",
            hint="Check matting.weights_url, matting.mirror_url and your proxy; then run perkie models pull again.",
        )

    async def _complete(self, checkpoint: Checkpoint, progress: DownloadProgress) -> None:
        """Downloads from the first address that has the file; resumes a broken connection a few times."""
        part = self._store.unfinished(checkpoint.file)
        failure: PerkieError | None = None
        for url in self._sources.urls:
            for _ in range(_TRIES):
                try:
                    await self._downloads.fetch(f"{url.rstrip('/')}/{checkpoint.file}", part, progress)
                except UpstreamFault as error:
                    failure = error
                except PerkieError as error:
                    failure = error
                    break
                else:
                    return
        assert failure is not None, "there is at least one address"
        raise failure

    def _is_right(self, checkpoint: Checkpoint) -> bool:
        return checkpoint.md5 is None or self._store.md5(self._store.unfinished(checkpoint.file)) == checkpoint.md5
