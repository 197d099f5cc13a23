"""Small pictures of a run's photos and outputs, for its report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from perkie_cli.batch.files import read_input, write_private
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.runs import MADE, Item, Status
from perkie_cli.imaging.contact_sheet import thumbnail
from perkie_cli.reports.batch_html import Shown

SIDE = 256  # px: twice the size at which they are shown


class Thumbnails:
    """Writes thumbnails into ``folder/thumbs``, each photo once."""

    def __init__(self, folder: Path, run_folder: Path, limits: ImageLimits) -> None:
        """``run_folder`` is where the run's relative paths begin."""
        self._folder = folder
        self._run_folder = run_folder
        self._limits = limits
        self._photos: dict[str, str | None] = {}

    def shown(self, items: Iterable[Item]) -> Iterator[Shown]:
        """Yields each item with its thumbnails. One that cannot be made is left out."""
        for item in items:
            if item.source not in self._photos:
                self._photos[item.source] = self._made(self._run_folder / item.source, f"{item.place}-before.jpg")
            has_output = item.status in MADE or item.status is Status.DEGRADED
            after = self._made(Path(item.output), f"{item.place}-after.jpg") if has_output else None
            yield Shown(item, self._photos[item.source], after)

    def _made(self, path: Path, name: str) -> str | None:
        try:
            data = read_input(path, self._limits.max_bytes)
            small = thumbnail(data, SIDE, replace(self._limits, min_side=1), path.name)
        except PerkieError:
            return None
        write_private(self._folder / "thumbs" / name, small)
        return f"thumbs/{name}"
