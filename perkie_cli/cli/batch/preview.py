"""Contact sheets of photos in several styles, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.batch.files import read_photo
from perkie_cli.batch.outputs.record import Origin, OutputRecord, OutputState, check_place, in_the_way
from perkie_cli.batch.photos.sources import InputFile
from perkie_cli.cli.bars import Bar
from perkie_cli.cli.batch.report import summed_up
from perkie_cli.cli.batch.rows import SheetRow
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.row_parts import ErrorRow, FailedRow
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.domain.pictures.style import Style
from perkie_cli.imaging.contact_sheet import PER_PAGE, Row, contact_sheet
from perkie_cli.system.threads import in_own_thread
from perkie_cli.system.waiting import finish_in_thread

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services


@frozen
class Preview:
    """One run of ``styles preview``."""

    services: Services
    renderer: Renderer
    record: OutputRecord
    styles: Sequence[Style]
    size: int
    kind: ImageFormat

    async def pages(self, files: Sequence[InputFile], target: Path, *, force: bool) -> Report:
        """Draws and writes each page; nothing is drawn if one of them cannot be written."""
        pages = [files[start : start + PER_PAGE] for start in range(0, len(files), PER_PAGE)]
        targets = [target, *(target.with_stem(f"{target.stem}-{number}") for number in range(2, len(pages) + 1))]
        origin = Origin(files[0].source, "", "", "")
        for path in targets:
            for file in files:
                check_place(path, file.source)
            if self.record.check(path, origin, force=force) is OutputState.UNRECORDED:
                raise in_the_way(path, ", and no record says what perkie made it from")
        sheets: list[SheetRow] = []
        failures: dict[Path, PerkieError] = {}
        with self.renderer.progress(len(files), files[0].path.name) as bar:
            for page, path in zip(pages, targets, strict=True):
                sources = [Path(file.path) for file in page]
                rows = await self._rows(sources, failures, bar, several=len(files) > 1)
                if rows:
                    sheets.append(await self._write(rows, path, origin))
        error, code = summed_up(list(failures.values()), len(files))
        failed = [FailedRow(source, ErrorRow.of(each)) for source, each in failures.items()]
        return Report([*sheets, *failed], text=[str(each.output) for each in sheets], error=error, exit_code=code)

    async def _write(self, rows: Sequence[Row], path: Path, origin: Origin) -> SheetRow:
        heads = [style.id for style in self.styles]
        sheet = await self.services.workers.run(contact_sheet, rows, heads, self.size, self.services.limits, self.kind)
        for warning in await finish_in_thread(self.record.write, path, origin, sheet.data, final=False):
            self.renderer.warn(warning)
        return SheetRow(path, sheet.width, sheet.height)

    async def _rows(
        self, sources: Sequence[Path], failures: dict[Path, PerkieError], bar: Bar, *, several: bool
    ) -> list[Row]:
        """Each input in the styles; adds the errors of those that cannot be drawn."""
        rows: list[Row] = []
        for source in sources:
            try:
                photo = await in_own_thread(read_photo, source, self.services.limits)
                rows.append((source.name, photo.data, await self._drawn(photo)))
            except PerkieError as failure:
                if several:  # a single failure is in the report itself
                    self.renderer.complain(failure, str(source))
                failures[source] = failure
            bar.advance(source.name)
        return rows

    async def _drawn(self, photo: Photo) -> list[bytes]:
        requests = [GenerateRequest(photo, style.id, engine="local") for style in self.styles]
        return [(await self.services.generate(each)).master.data for each in requests]
