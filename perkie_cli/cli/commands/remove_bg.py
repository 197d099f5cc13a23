"""``perkie remove-bg``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.batch.files import holds, read_photo
from perkie_cli.batch.mark import OutputKind
from perkie_cli.cli import complete, making, options
from perkie_cli.cli.batch.command import BatchCommand
from perkie_cli.cli.batch.options import BatchOptions, batched
from perkie_cli.cli.batch.recipes import Cutting
from perkie_cli.cli.choices import output_format, output_place
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.domain.cutouts.request import (
    Background,
    BackgroundKind,
    CutoutOutput,
    CutoutRequest,
    Framing,
    check_result,
    parse_aspect,
)
from perkie_cli.domain.engines import FINER_FUR, STAND_IN
from perkie_cli.domain.errors import InvalidParameter, UsageError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.domain.pictures.request import CacheUse
from perkie_cli.domain.runs import Status

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

app = typer.Typer()

Kind = Annotated[
    str,
    typer.Option(
        "--as", metavar="rgba|mask", help="The cut-out, or its alpha.", autocompletion=complete.among(CutoutOutput)
    ),
]
NewBackground = Annotated[
    str,
    typer.Option(
        metavar="WHAT",
        help="New background: transparent, #RRGGBB, blur or the path of a picture.",
        autocompletion=complete.among(BackgroundKind),
    ),
]
MarginPercent = Annotated[
    float, typer.Option(metavar="PCT", help="Margin around the pet, in percent of its long side.")
]


@frozen
class _Options:
    """The flags that apply to every job."""

    output: CutoutOutput
    background: Background
    framing: Framing
    format: ImageFormat
    strict: bool
    fallback: bool | None  # None: only for a single photo, since a batch can be run again later
    cache: CacheUse

    def request(self, photo: Photo, *, fallback: bool) -> CutoutRequest:
        """The request for one job."""
        return CutoutRequest(
            photo,
            output=self.output,
            background=self.background,
            framing=self.framing,
            format=self.format,
            cache=self.cache,
            fallback=fallback,
            cover_setup=False,
            strict=self.strict,
        )


@app.command("remove-bg")
@batched
def remove_bg(
    ctx: typer.Context,
    batch: BatchOptions,
    output: options.Output = None,
    engine: making.MattingEngineName = None,
    mode: making.MattingMode = None,
    device: making.Device = None,
    kind: Kind = "rgba",
    background: NewBackground = "transparent",
    trim: Annotated[bool, typer.Option("--trim", help="Crop to the pet.")] = False,
    margin: MarginPercent = 0.0,
    aspect: Annotated[str | None, typer.Option(metavar="W:H", help="Extend the canvas to this aspect ratio.")] = None,
    format_: making.CutoutFormat = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail if no clear subject is found.")] = False,
    fallback: making.CutoutFallback = None,
) -> None:
    """Cut pets out of their background, at full resolution, with soft fur.

    Writes PET_cutout.png next to each input and prints its path. Needs no download;
    with the extra perkie-cli[matting], the first run downloads a larger model (368 MB).

    Examples:

      perkie remove-bg pet.jpg

      perkie remove-bg pet.jpg -o print.jpg --background "#ffffff" --trim \\
      --margin 8 --aspect 4:5

      perkie remove-bg photos/ -r --out-dir cut/ --mode fast --jobs 2 --json
    """
    renderer = renderer_of(ctx)
    file, out_dir = _place(output, batch.out_dir)
    batch = replace(batch, out_dir=out_dir)

    async def work(services: Services) -> Report:
        options = _Options(
            _output_kind(kind),
            _background(background, services.limits),
            Framing(trim, margin, None if aspect is None else parse_aspect(aspect)),
            output_format(format_, file, "png"),
            strict,
            _fallback(fallback),
            batch.rules.cache,
        )
        return await _run(BatchCommand(services, renderer, batch, OutputKind.CUTOUT), options, file)

    run(ctx, work, {"matting.engine": engine, "matting.mode": mode, "matting.device": device})


async def _run(command: BatchCommand, options: _Options, file: PurePath | None) -> Report:
    services = command.services
    check_result(options.output, options.background, options.format)
    files = await command.files()
    tail = f"_{'mask' if options.output is CutoutOutput.MASK else 'cutout'}.{options.format.value}"
    plain = [replace(each, styles=None) for each in files]  # a manifest may be one for styles
    jobs = await command.jobs(plain, [""], lambda _: tail, file)
    await command.begin_to_load(jobs)
    services.cutouts.recipe()  # reports an unknown engine or mode before anything is downloaded
    fallback = len(files) == 1 if options.fallback is None else options.fallback
    recipe = Cutting(partial(options.request, fallback=fallback))
    report = await command.run(jobs, recipe, command.options.jobs, None, cuts_out=True, required=not fallback)
    cut_out = any(report.summary.get(status.value) for status in (Status.DONE, Status.CACHED))
    if cut_out and services.matting_choice.could_be_finer:
        command.renderer.say(FINER_FUR)
    return report


def _place(output: str | None, out_dir: PurePath | None) -> tuple[PurePath | None, PurePath | None]:
    if output in tuple(CutoutOutput):
        raise UsageError(f"--output names the file; {output!r} is a kind of result", hint=f"Use --as {output}.")
    return output_place(output, out_dir)


def _output_kind(name: str) -> CutoutOutput:
    try:
        return CutoutOutput(name)
    except ValueError:
        raise InvalidParameter(f"--as: {name!r} is not a kind of result", hint="Use rgba or mask.") from None


def _fallback(name: str | None) -> bool | None:
    if name in (STAND_IN, "none"):
        return name == STAND_IN
    if name is not None:
        raise InvalidParameter(f"{name!r} is not a fallback", hint=f"Use {STAND_IN} or none with --fallback.")
    return None


def _background(text: str, limits: ImageLimits) -> Background:
    """A keyword, a colour, or a picture's path."""
    path = Path(text)
    if text not in tuple(BackgroundKind) and (path.suffix or holds(path.exists)):
        return Background.of_picture(read_photo(path, replace(limits, min_side=1), text))
    return Background.parse(text)
