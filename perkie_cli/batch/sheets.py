"""Contact sheets of a run over pets: one in each pet's folder, and pages of all pets above them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import PurePath

from perkie_cli.batch.jobs import Job
from perkie_cli.batch.machines.shard import Shard
from perkie_cli.batch.mark import OutputKind, marked
from perkie_cli.batch.outputs.places import Outputs
from perkie_cli.batch.photos.sources import photo_from
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.imaging.contact_sheet import PER_PAGE, Row, contact_sheet
from perkie_cli.ports import Workers

SHEET = "sheet.jpg"
SIDE = 384  # px of a picture


@frozen
class Sheets:
    """Makes sheets that are missing, or older than a picture on them. ``shard`` names the pages of all its pets."""

    outputs: Outputs
    limits: ImageLimits
    workers: Workers
    io: Workers
    shard: Shard | None = None

    async def make(self, jobs: Sequence[Job], out_dir: PurePath) -> list[PurePath]:
        """The written sheets. The jobs of one pet follow each other; their outputs share a folder.

        Raises: BadInput, OutputExists for a file that is not ours, the errors of writing.
        """
        times = await self._times([job.target for job in jobs])
        pets = [pet for pet in _by_folder(jobs) if any(times[job.target] is not None for job in pet)]
        sheets = [pet[0].target.parent / SHEET for pet in pets]
        made = await self._times(sheets)
        written = [
            await self._write(path, [pet])
            for path, pet in zip(sheets, pets, strict=True)
            if _is_older(made[path], [times[job.target] for job in pet])
        ]
        pages = [pets[start : start + PER_PAGE] for start in range(0, len(pets), PER_PAGE)]
        paths = [out_dir / self._page_name(number, len(pages)) for number in range(1, len(pages) + 1)]
        if len(pets) > 1 and (written or None in (await self._times(paths)).values()):
            written += [await self._write(path, page) for path, page in zip(paths, pages, strict=True)]
        return written

    async def _times(self, paths: Sequence[PurePath]) -> dict[PurePath, float | None]:
        return dict(zip(paths, await self.outputs.modified(paths), strict=True))

    async def _write(self, path: PurePath, pets: Sequence[Sequence[Job]]) -> PurePath:
        heads = list(dict.fromkeys(_head(job) for pet in pets for job in pet))
        rows = [await self._row(pet, heads) for pet in pets]
        sheet = await self.workers.run(contact_sheet, rows, heads, SIDE, self.limits, ImageFormat.JPEG)
        await self.outputs.write_sheet(path, marked(sheet.data, OutputKind.PICTURE))
        return path

    def _page_name(self, number: int, pages: int) -> str:
        stem = "sheet" if self.shard is None else f"sheet-{self.shard.index}-of-{self.shard.count}"
        return f"{stem}.jpg" if pages == 1 else f"{stem}-{number:0{len(str(pages))}}.jpg"

    async def _row(self, pet: Sequence[Job], heads: Sequence[str]) -> Row:
        photo = await photo_from(pet[0].source, self.limits, self.io)
        made = {_head(job): job.target for job in pet}
        drawn = [await self.outputs.read(made[head]) if head in made else None for head in heads]
        return pet[0].source.name, photo.data, drawn


def _by_folder(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    for _, pet in groupby(jobs, key=lambda job: job.target.parent):
        yield list(pet)


def _head(job: Job) -> str:
    return job.style or "cut-out"


def _is_older(sheet: float | None, pictures: Sequence[float | None]) -> bool:
    """Whether it is missing, or a picture of the pet is newer."""
    return sheet is None or any(each is not None and each > sheet for each in pictures)


async def tried(sheets: Sheets, jobs: Sequence[Job], out_dir: PurePath) -> tuple[list[PurePath], PerkieError | None]:
    """The sheets, or why there are none: the pictures are there all the same."""
    try:
        return await sheets.make(jobs, out_dir), None
    except PerkieError as error:
        return [], error
