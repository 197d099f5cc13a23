"""``perkie stylize``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.pictures import Drawing
from perkie_cli.cli import making, options
from perkie_cli.cli.batch.command import BatchCommand
from perkie_cli.cli.batch.drawing import check_model, drawing_parts, parse_fallback
from perkie_cli.cli.batch.options import BatchOptions, Paying, batched, paid
from perkie_cli.cli.batch.recipes import Pictures
from perkie_cli.cli.choices import matting_flags, output_format, output_place, owner_of
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.domain.people.identity import ANONYMOUS
from perkie_cli.domain.pictures.style import BackgroundUse

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

app = typer.Typer()


@app.command()
@batched
@paid
def stylize(
    ctx: typer.Context,
    batch: BatchOptions,
    paying: Paying,
    style: making.StyleNames,
    output: options.Output = None,
    engine: making.StyleEngineName = None,
    model: making.Model = None,
    size: making.Size = None,
    format_: making.Format = None,
    customer: options.Customer = None,
    session: options.Session = None,
    remove_bg: making.RemoveBackground = False,
    matting_engine: making.StylizeMatting = None,
    mode: making.MattingMode = None,
    device: making.Device = None,
    background: making.PictureBackground = None,
    fallback: making.FallbackSteps = None,
    deadline: making.DeadlineSeconds = None,
) -> None:
    """Redraw pets in an artistic style.

    Writes PET_STYLE.jpg next to each input and prints its path. A second run with
    the same options is skipped; a picture drawn before comes from the cache.

    Examples:

      perkie stylize pet.jpg --style ink_wash

      perkie stylize pet.jpg --style all --out-dir gallery/

      perkie stylize photos/ -r --style popular --out-dir gallery/ --jobs 2 --json
    """
    file, out_dir = output_place(output, batch.out_dir)
    batch = replace(batch, out_dir=out_dir)
    matting = matting_flags(remove_bg, matting_engine, mode, device)
    drawing = Drawing(
        format=output_format(format_, file, "jpg"),
        owner=owner_of(customer, session) or ANONYMOUS,
        model=model,
        fallback=parse_fallback(fallback),
        deadline=deadline,
        remove_background=remove_bg,
        background=None if background is None else BackgroundUse.parse(background),
        cache=batch.rules.cache,
    )

    async def work(services: Services) -> Report:
        check_model(services, model)
        command = BatchCommand(services, renderer_of(ctx), batch, OutputKind.PICTURE)
        styles = [each.id for each in services.styles.select(",".join(style))]
        files = await command.files()
        jobs = await command.jobs(files, styles, lambda style: f"_{style}.{drawing.format.value}", file)
        steps = drawing.steps(len(files))
        return await command.draw(jobs, Pictures(drawing, len(jobs), steps), drawing, paying, steps)

    run(ctx, work, {"style.engine": engine, "style.size": size, **matting}, **drawing_parts(batch.jobs))
