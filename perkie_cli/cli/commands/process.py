"""``perkie process``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.pictures import Drawing
from perkie_cli.batch.sheets import Sheets, tried
from perkie_cli.cli import complete, making, options
from perkie_cli.cli.batch.command import BatchCommand
from perkie_cli.cli.batch.drawing import check_model, drawing_parts, parse_fallback
from perkie_cli.cli.batch.options import BatchOptions, Paying, batched, paid
from perkie_cli.cli.batch.recipes import Cutting, Pets, Pictures
from perkie_cli.cli.choices import output_format, owner_of
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.errors import Interrupted, UsageError
from perkie_cli.domain.people.identity import ANONYMOUS
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.pictures.request import CacheUse
from perkie_cli.domain.pictures.style import Strategy

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

app = typer.Typer()

StrategyName = Annotated[
    Strategy | None,
    typer.Option(
        metavar="|".join(Strategy),
        help="Styles to draw: on_demand none, hybrid the popular ones (default), pregenerate all.",
    ),
]
OtherStyles = Annotated[
    list[str] | None,
    typer.Option(
        "--style",
        "-s",
        metavar="ID[,ID…]|all|popular",
        help="These styles instead (repeatable).",
        autocompletion=complete.styles,
    ),
]


@app.command()
@batched
@paid
def process(
    ctx: typer.Context,
    batch: BatchOptions,
    paying: Paying,
    strategy: StrategyName = None,
    style: OtherStyles = None,
    engine: making.StyleEngineName = None,
    matting_engine: making.CuttingEngine = None,
    mode: making.MattingMode = None,
    model: making.Model = None,
    size: making.Size = None,
    format_: making.Format = None,
    customer: options.Customer = None,
    session: options.Session = None,
    fallback: making.FallbackSteps = None,
    deadline: making.DeadlineSeconds = None,
) -> None:
    """Do all for each pet: cut it out, draw its styles, and put them on a contact sheet.

    Writes DIR/PET/cutout.png, DIR/PET/STYLE.jpg and DIR/PET/sheet.jpg, and DIR/sheet.jpg
    with all pets. A second run goes on where the first one stopped.

    Examples:

      perkie process photos/ -r --out-dir pets/

      perkie process --manifest orders.csv --out-dir pets/ \\
      --strategy pregenerate --budget 5

      find uploads -name '*.heic' -print0 | \\
      perkie process --files-from - -0 --out-dir pets/
    """
    renderer = renderer_of(ctx)
    drawing = Drawing(
        output_format(format_, None, "jpg"),
        owner_of(customer, session) or ANONYMOUS,
        model,
        parse_fallback(fallback),
        deadline,
        remove_background=True,
        background=None,
        cache=batch.rules.cache,
    )
    settings = {"style.engine": engine, "style.size": size, "matting.engine": matting_engine, "matting.mode": mode}

    async def work(services: Services) -> Report:
        styles = _styles(services, strategy, style)
        return await _all(BatchCommand(services, renderer, batch, OutputKind.PICTURE), drawing, paying, styles)

    run(ctx, work, settings, **drawing_parts(batch.jobs))


def _styles(services: Services, strategy: Strategy | None, style: list[str] | None) -> list[str]:
    if style and strategy is not None:
        raise UsageError("--strategy and --style exclude each other")
    if style:
        return [each.id for each in services.styles.select(",".join(style))]
    return [each.id for each in (strategy or Strategy.HYBRID).at_once(services.styles)]


async def _all(command: BatchCommand, drawing: Drawing, paying: Paying, styles: list[str]) -> Report:
    services, batch = command.services, command.options
    if batch.out_dir is None:
        raise UsageError("process needs --out-dir DIR", hint="Each pet gets a folder in it.")
    check_model(services, drawing.model)
    files = [replace(file, styles=("", *(file.styles or styles))) for file in await command.files()]
    ending = drawing.format.value
    jobs = await command.jobs(files, [], lambda style: f"/{style}.{ending}" if style else "/cutout.png", None)
    steps = drawing.steps(len(files))
    cutting = Cutting(partial(_cutout, cache=batch.rules.cache, fallback=bool(steps)))
    recipe = Pets(cutting, Pictures(drawing, len(jobs), steps))
    report = await command.draw(jobs, recipe, drawing, paying, steps)
    if paying.estimate or batch.rules.dry_run or isinstance(report.error, Interrupted):
        return report
    all_sheets = Sheets(command.outputs, services.limits, services.workers, services.io, batch.shard)
    sheets, why = await tried(all_sheets, jobs, batch.out_dir)
    for path in sheets:
        command.renderer.result(str(path), f"contact sheet {path}")
    if why is not None:
        command.renderer.warn(f"no contact sheets: {why.message}")
    return report


def _cutout(photo: Photo, *, cache: CacheUse, fallback: bool) -> CutoutRequest:
    return CutoutRequest(photo, cache=cache, fallback=fallback, cover_setup=False)
