"""``perkie styles``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.outputs.record import OutputRecord
from perkie_cli.batch.photos.inputs import expand
from perkie_cli.bootstrap import build_services
from perkie_cli.cli import complete, options
from perkie_cli.cli.batch.report import report_left_out
from perkie_cli.cli.choices import output_format, output_in
from perkie_cli.cli.render import Report
from perkie_cli.cli.row_parts import as_fields
from perkie_cli.cli.session import finish, renderer_of, run, services_of, settings_of
from perkie_cli.cli.table import Table
from perkie_cli.config.style_toml import as_toml
from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.pictures.style import BrokenStyle, Style, StyleFault

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

SHEET = "contact_sheet.png"

app = typer.Typer(help="List, show, check and preview styles.")


@frozen
class StyleRow:
    """One style in brief."""

    id: str
    title: str
    aliases: Sequence[str]
    popular: bool
    source: str


@frozen
class ParameterRow:
    """One parameter of a style's drawing: its value in this style, and what it may be."""

    name: str
    value: str | int | float | bool
    default: str | int | float | bool
    allowed: str
    help: str


@frozen
class FullStyleRow(StyleRow):
    """One style with all its fields. ``parameters``: those that the file sets; ``all_parameters``: the drawing's."""

    prompt: str
    safe_prompt: str
    prompt_version: str
    recipe: str
    parameters: Mapping[str, Any]
    all_parameters: Sequence[ParameterRow]


@frozen
class StyleFileRow:
    """A checked style file; a broken one has faults, and the others work without it."""

    source: str
    id: str
    ok: bool
    faults: Sequence[StyleFault]


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List every style: shipped ones and those of your styles folder.

    Files that cannot be used are marked as broken.

    Examples:

      perkie styles list --json
    """
    book = services_of(ctx).styles
    rows = [(s.id, s.title, ", ".join(s.aliases), "yes" if s.popular else "", Path(s.source).name) for s in book.all()]
    rows += [(each.id, "(broken)", "", "", Path(each.source).name) for each in book.broken]
    table = Table(("id", "title", "aliases", "popular", "from"), rows, prose=frozenset({"title", "aliases"}))
    results = [*map(_brief, book.all()), *map(_file_row, book.broken)]
    finish(ctx, Report(results=results, text=[table]))


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="Id or alias.", autocompletion=complete.style)],
) -> None:
    """Show one style as TOML, which you can copy into your styles folder and change.

    Lists every parameter of its drawing with value, range and default.

    Examples:

      perkie styles show ink_wash > ~/.config/perkie/styles/my_ink.toml
    """
    services = services_of(ctx)
    style = services.styles.get(name)
    declared = services.style_parameters[style.drawing]
    values = {each.name: style.parameters.get(each.name, each.default) for each in declared}
    full = FullStyleRow(
        **as_fields(_brief(style)),
        prompt=style.prompt,
        safe_prompt=style.safe_prompt,
        prompt_version=style.prompt_version,
        recipe=style.drawing,
        parameters=style.parameters,
        all_parameters=[ParameterRow(it.name, values[it.name], it.default, it.allowed, it.help) for it in declared],
    )
    finish(ctx, Report(results=[full], text=[as_toml(style, declared)]))


@app.command()
def check(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Style files (default: all of your styles folder)."),
    ] = None,
) -> None:
    """Check style files: every field, parameter and name that cannot be used, with its line.

    Exits with 3 if a file is broken. `perkie serve` does not start with one.

    Examples:

      perkie styles check

      perkie styles check my_ink.toml --json
    """
    services = build_services(settings_of(ctx).settings)
    checked = services.style_check(files or ())
    broken = [each for each in checked if isinstance(each, BrokenStyle)]
    lines = [line for each in checked for line in _findings(each)]
    error = None
    if broken:
        error = InvalidSetting(
            f"{len(broken)} of {len(checked)} style files cannot be used",
            hint="Commands leave them out, and `perkie serve` does not start.",
        )
    elif not checked:
        renderer_of(ctx).say(f"there are no style files in {services.styles_dir}")
    finish(ctx, Report(results=[_file_row(each) for each in checked], text=lines, error=error))


@app.command()
def preview(
    ctx: typer.Context,
    inputs: options.Inputs,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="Output file: .png, .jpg or .webp; or a folder as DIR/."),
    ] = SHEET,
    style: Annotated[
        list[str] | None,
        typer.Option(
            "--style",
            "-s",
            metavar="ID[,ID…]|all|popular",
            help="Only these styles (repeatable; default: all).",
            autocompletion=complete.styles,
        ),
    ] = None,
    size: Annotated[int, typer.Option(min=96, max=1024, metavar="PX", help="Long side of each picture.")] = 384,
    force: options.Force = False,
) -> None:
    """Draw pictures in every style with the local engine, on one contact sheet; more than 20 on pages.

    Examples:

      perkie styles preview examples/photos/cat.png -o sheet.png

      perkie styles preview photos/ --style ink_wash,my_ink -o inks/
    """
    renderer = renderer_of(ctx)
    target = output_in(output, SHEET)
    kind = output_format(None, target, "png")

    async def work(services: Services) -> Report:
        from perkie_cli.cli.batch.preview import Preview  # late: it imports NumPy

        styles = services.styles.select(",".join(style or ["all"]))
        record = OutputRecord(services.outputs)
        made_by_us = record.below_folders(inputs)
        found = expand(inputs, recursive=False, kind=OutputKind.PICTURE, made_by_us=made_by_us)
        files = report_left_out(renderer, found)
        return await Preview(services, renderer, record, styles, size, kind).pages(files, target, force=force)

    run(ctx, work)


def _findings(checked: Style | BrokenStyle) -> list[str]:
    if isinstance(checked, Style):
        return [f"{checked.source}: ok ({checked.id})"]
    return [line for fault in checked.faults for line in (str(fault), *([f"  {fault.hint}"] if fault.hint else []))]


def _file_row(checked: Style | BrokenStyle) -> StyleFileRow:
    faults = checked.faults if isinstance(checked, BrokenStyle) else ()
    return StyleFileRow(checked.source, checked.id, not faults, faults)


def _brief(style: Style) -> StyleRow:
    return StyleRow(style.id, style.title, style.aliases, style.popular, style.source)
