"""Where a run writes: the port between its jobs and files or objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Protocol

from perkie_cli.batch.outputs.record import Origin, OutputState
from perkie_cli.batch.photos.sources import Source


class Outputs(Protocol):
    """The outputs of a run. A reader sees a whole one or none."""

    def origins(self, targets: Sequence[PurePath]) -> Mapping[PurePath, bytes]:
        """The ``Source.key`` of those targets that are ours and there."""

    async def fresh(self, targets: Sequence[PurePath], sources: Sequence[Source], options: Sequence[str]) -> list[bool]:
        """Which targets are surely fresh; no photo is read. One answer for each target."""

    async def modified(self, targets: Sequence[PurePath]) -> list[float | None]:
        """When each target was written, in epoch seconds; None if it is not there."""

    async def check(self, target: PurePath, origin: Origin, *, force: bool) -> OutputState:
        """What is at the target, if it were made from ``origin``. ``force`` allows replacing foreign ones.

        Raises: OutputExists, UnwritableFile.
        """

    async def write(
        self, target: PurePath, origin: Origin, data: bytes, *, final: bool, new: bool = False
    ) -> list[str]:
        """Writes an output; the result are warnings. ``final`` is false for a substitute, which is made again.

        ``new``: nothing was there when it was looked at, so nothing is replaced.

        Raises: UnwritableFile, OutputExists, the errors of a bucket.
        """

    async def read(self, target: PurePath) -> bytes | None:
        """The output's bytes, or None."""

    async def write_sheet(self, target: PurePath, data: bytes) -> None:
        """Writes a contact sheet. Raises: as ``write``; OutputExists for a file that is not ours."""
