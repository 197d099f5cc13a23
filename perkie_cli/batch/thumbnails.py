"""Small pictures of a run's photos and outputs, for its report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from perkie_cli.batch.files import read_input, write_private
from perkie_cli.batch.outputs.address import ObjectPath
from perkie_cli.batch.photos.inputs import is_bucket
from perkie_cli.domain.errors import PerkieError, UnreadableFile
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.runs import MADE, Item, Status
from perkie_cli.imaging.contact_sheet import thumbnail
from perkie_cli.ports import Buckets
from perkie_cli.reports.batch_html import Shown

SIDE = 256  # px: twice the size at which they are shown

Download = Callable[[str], bytes]
"""The object at an address. Blocks. Raises: UnreadableFile, the errors of ``ports.Buckets``."""


def downloading(buckets: Callable[[], Buckets], loop: asyncio.AbstractEventLoop, max_bytes: int) -> Download:
    """Downloads for a worker thread, by ``loop``, which runs in another one."""

    async def read(address: str) -> bytes:
        path = ObjectPath.parse(address)
        found = await buckets().find(path.bucket, path.object)
        data = None if found is None or found.size > max_bytes else await buckets().read(found)
        if data is None:
            raise UnreadableFile(f"{address} is gone, or too large")
        return data

    return lambda address: asyncio.run_coroutine_threadsafe(read(address), loop).result()


class Thumbnails:
    """Writes thumbnails into ``folder/thumbs``, each photo once."""

    def __init__(self, folder: Path, run_folder: Path, limits: ImageLimits, remote: Download) -> None:
        """``run_folder`` is where the run's relative paths begin. ``remote`` reads objects of buckets."""
        self._folder = folder
        self._run_folder = run_folder
        self._limits = limits
        self._remote = remote
        self._photos: dict[str, str | None] = {}

    def shown(self, items: Iterable[Item]) -> Iterator[Shown]:
        """Yields each item with its thumbnails. One that cannot be made is left out."""
        for item in items:
            if item.source not in self._photos:
                self._photos[item.source] = self._made(item.source, f"{item.place}-before.jpg")
            has_output = item.status in MADE or item.status is Status.DEGRADED
            after = self._made(item.output, f"{item.place}-after.jpg") if has_output else None
            yield Shown(item, self._photos[item.source], after)

    def _made(self, place: str, name: str) -> str | None:
        try:
            if is_bucket(place):
                data = self._remote(place)
            else:
                data = read_input(self._run_folder / place, self._limits.max_bytes)
            small = thumbnail(data, SIDE, replace(self._limits, min_side=1), place)
        except PerkieError:
            return None
        write_private(self._folder / "thumbs" / name, small)
        return f"thumbs/{name}"
