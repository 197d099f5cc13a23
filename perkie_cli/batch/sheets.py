"""Contact sheets of a run over pets: one in each pet's folder, and pages of all pets above them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from perkie_cli.batch.files import write_atomically
from perkie_cli.batch.jobs import Job
from perkie_cli.batch.machines.shard import Shard
from perkie_cli.batch.mark import OutputKind, mark_of, marked
from perkie_cli.batch.photos.sources import photo_from
from perkie_cli.domain.errors import OutputExists, PerkieError
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.imaging.contact_sheet import PER_PAGE, Row, contact_sheet
from perkie_cli.ports import Workers

SHEET = "sheet.jpg"
SIDE = 384  # px of a picture


@dataclass(frozen=True, slots=True)
class Sheets:
    """Makes sheets that are missing, or older than a picture on them. ``shard`` names the pages of all its pets."""

    limits: ImageLimits
    workers: Workers
    io: Workers
    shard: Shard | None = None

    async def make(self, jobs: Sequence[Job], out_dir: Path) -> list[Path]:
        """The written sheets. The jobs of one pet follow each other; their outputs share a folder.

        Raises: BadInput, UnwritableFile, OutputExists for a file that is not ours.
        """
        pets = [pet for pet in _by_folder(jobs) if any(job.target.exists() for job in pet)]
        written = []
        for pet in pets:
            path = pet[0].target.parent / SHEET
            if _is_older(path, pet):
                written.append(await self._write(path, [pet]))
        pages = [pets[start : start + PER_PAGE] for start in range(0, len(pets), PER_PAGE)]
        paths = [out_dir / self._page_name(number, len(pages)) for number in range(1, len(pages) + 1)]
        if len(pets) > 1 and (written or not all(path.exists() for path in paths)):
            written += [await self._write(path, page) for path, page in zip(paths, pages, strict=True)]
        return written

    async def _write(self, path: Path, pets: Sequence[Sequence[Job]]) -> Path:
        _check_ours(path)
        heads = list(dict.fromkeys(_head(job) for pet in pets for job in pet))
        rows = [await self._row(pet, heads) for pet in pets]
        sheet = await self.workers.run(contact_sheet, rows, heads, SIDE, self.limits, ImageFormat.JPEG)
        await self.io.run(write_atomically, path, marked(sheet.data, OutputKind.PICTURE))
        return path

    def _page_name(self, number: int, pages: int) -> str:
        stem = "sheet" if self.shard is None else f"sheet-{self.shard.index}-of-{self.shard.count}"
        return f"{stem}.jpg" if pages == 1 else f"{stem}-{number:0{len(str(pages))}}.jpg"

    async def _row(self, pet: Sequence[Job], heads: Sequence[str]) -> Row:
        photo = await photo_from(pet[0].source, self.limits, self.io)
        made = {_head(job): job.target for job in pet}
        drawn = [await self.io.run(_bytes, made.get(head)) for head in heads]
        return pet[0].source.name, photo.data, drawn


def _check_ours(path: Path) -> None:
    if path.exists() and mark_of(path) is None:
        raise OutputExists(f"{path} exists and was not made by perkie", hint="Move it, or use another --out-dir.")


def _by_folder(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    for _, pet in groupby(jobs, key=lambda job: job.target.parent):
        yield list(pet)


def _head(job: Job) -> str:
    return job.style or "cut-out"


def _is_older(sheet: Path, pet: Sequence[Job]) -> bool:
    """Whether it is missing, or a picture of the pet is newer."""
    try:
        when = sheet.stat().st_mtime_ns
    except OSError:
        return True
    return any(job.target.stat().st_mtime_ns > when for job in pet if job.target.exists())


def _bytes(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError:
        return None


async def tried(sheets: Sheets, jobs: Sequence[Job], out_dir: Path) -> tuple[list[Path], PerkieError | None]:
    """The sheets, or why there are none: the pictures are there all the same."""
    try:
        return await sheets.make(jobs, out_dir), None
    except PerkieError as error:
        return [], error
