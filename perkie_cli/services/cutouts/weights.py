"""Model files: where they are, whether they are what they should be, and getting them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from perkie_cli.domain.cutouts.checkpoint import Checkpoint, file_md5, find_file
from perkie_cli.domain.errors import MissingWeights, PerkieError, UpstreamFault
from perkie_cli.ports import Downloads, Workers

Progress = Callable[[int, int | None], None]

_TRIES = 3  # resumed each time


class WeightState(StrEnum):
    """What is known of a file. Only ``verify`` reads it through."""

    ABSENT = "absent"
    PRESENT = "present"  # there, not checked
    GOOD = "good"
    WRONG = "wrong"  # not the published file: damaged, or your own


@dataclass(frozen=True, slots=True)
class Weights:
    """One model file. ``exported``: its ONNX export, where there is one. ``wrong``: the files that are."""

    checkpoint: Checkpoint
    state: WeightState
    path: Path | None = None
    size: int = 0  # bytes
    exported: Path | None = None
    wrong: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class WeightSources:
    """``folders``: the first is ours, further ones are only read. ``urls`` are asked in order."""

    folders: Sequence[Path]
    urls: Sequence[str]
    offline: bool = False


class ModelFiles:
    """The use cases around model files."""

    def __init__(
        self, sources: WeightSources, downloads: Downloads, workers: Workers, origin_of: Callable[[Path], str | None]
    ) -> None:
        """``origin_of`` tells the MD5 of the checkpoint that an export was made of."""
        self._origin_of = origin_of
        self._sources = sources
        self._downloads = downloads
        self._workers = workers

    @property
    def folder(self) -> Path:
        """Where files are put."""
        return self._sources.folders[0]

    def look(self, checkpoint: Checkpoint) -> Weights:
        """What is there, without reading it."""
        path = find_file(checkpoint.file, self._sources.folders)
        exported = find_file(checkpoint.onnx_file, self._sources.folders)
        if path is None:
            return Weights(checkpoint, WeightState.ABSENT, exported=exported)
        return Weights(checkpoint, WeightState.PRESENT, path, path.stat().st_size, exported)

    async def verify(self, checkpoint: Checkpoint) -> Weights:
        """Reads the file through and compares its checksum, and that of what its export was made of.

        Raises: MissingWeights when a file cannot be read.
        """
        found = self.look(checkpoint)
        checks = [(path, tell) for path, tell in ((found.path, file_md5), (found.exported, self._origin_of)) if path]
        if not checks or checkpoint.md5 is None:
            return found
        wrong = tuple([path for path, tell in checks if await self._workers.run(tell, path) != checkpoint.md5])
        return replace(found, state=WeightState.WRONG if wrong else WeightState.GOOD, wrong=wrong)

    async def pull(self, checkpoint: Checkpoint, progress: Progress) -> Path:
        """Downloads the file, checks it and puts it in place whole. What broke off earlier is gone on with.

        Raises: MissingWeights when offline or when what came is not the file; what the download raises.
        """
        if self._sources.offline:
            raise MissingWeights(
                f"{checkpoint.file} is to be downloaded, but PERKIE_OFFLINE forbids it",
                hint=f"Put the file into {self.folder} yourself.",
            )
        target = self.folder / checkpoint.file
        part = target.with_name(target.name + ".part")
        await self._download(checkpoint, part, progress)
        part.replace(target)
        return target

    async def _download(self, checkpoint: Checkpoint, part: Path, progress: Progress) -> None:
        # A part from earlier may be the beginning of another file: then it is worth a second, fresh download.
        for _ in range(2 if await self._workers.run(part.exists) else 1):
            await self._complete(checkpoint, part, progress)
            if await self._workers.run(_is_right, checkpoint, part):
                return
            await self._workers.run(part.unlink)
        raise MissingWeights(
            f"what was downloaded as {checkpoint.file} is not that file: its checksum is wrong",
            hint="Check matting.weights_url, matting.mirror_url and your proxy; then run perkie models pull again.",
        )

    async def _complete(self, checkpoint: Checkpoint, part: Path, progress: Progress) -> None:
        """From the first address that has it; a broken connection is resumed a few times."""
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


def _is_right(checkpoint: Checkpoint, part: Path) -> bool:
    return checkpoint.md5 is None or file_md5(part) == checkpoint.md5
