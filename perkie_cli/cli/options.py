"""Flags that several commands share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from perkie_cli.cli import complete
from perkie_cli.domain.engines import AUTO, AUTO_DRAWING, AUTO_MATTING, DRAWING, MATTING, MODES, STAND_IN
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.pictures.request import Fallback
from perkie_cli.domain.pictures.style import BackgroundUse


def _pixels(text: str) -> int:
    """Reads ``1600``, or the name of one of Gemini's image sizes: ``2K``."""
    from perkie_cli.domain.money.price_list import SIDES

    try:
        return SIDES.get(text.upper()) or int(text)
    except ValueError:
        raise InvalidParameter(
            f"--size: {text!r} is neither a number of pixels nor one of {', '.join(SIDES)}"
        ) from None


Inputs = Annotated[list[str], typer.Argument(metavar="INPUT", help="Pictures, folders or glob patterns; - is stdin.")]
StyleNames = Annotated[
    list[str],
    typer.Option(
        "--style",
        "-s",
        metavar="ID[,ID…]|all|popular",
        help="Style ids or aliases (see perkie styles list); may be given several times.",
        autocompletion=complete.styles,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Output file for one picture, or a folder as DIR/; - is stdout."
    ),
]
OutDir = Annotated[
    Path | None, typer.Option(readable=False, metavar="DIR", help="Output folder (default: next to each input).")
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="jpg|png|webp",
        help="Output format (default: by the extension of -o, else jpg).",
        autocompletion=complete.image_format,
    ),
]
RemoveBackground = Annotated[
    bool, typer.Option("--remove-bg", help="Cut the pet out first (see perkie remove-bg --help).")
]
PictureBackground = Annotated[
    str | None,
    typer.Option(
        "--background",
        metavar="|".join(BackgroundUse),
        help="How the local engine treats it; auto replaces it if the whole pet was found.",
        autocompletion=complete.background,
    ),
]
CutoutFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="png|webp|jpg",
        help="Output format (default: by the extension of -o, else png).",
        autocompletion=complete.image_format,
    ),
]
StyleEngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="|".join((AUTO, *DRAWING)),
        help=f"Engine that draws; {AUTO_DRAWING}.",
        autocompletion=complete.drawing_engine,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Gemini model (see perkie models list).", autocompletion=complete.image_model),
]
FallbackSteps = Annotated[
    str | None,
    typer.Option(
        "--fallback",
        metavar="cache,local|none",
        autocompletion=complete.several_of(Fallback, "none"),
        help="Substitutes allowed when Gemini fails (default: cache,local for one photo, none for several).",
    ),
]
CutoutFallback = Annotated[
    str | None,
    typer.Option(
        "--fallback",
        metavar=f"{STAND_IN}|none",
        autocompletion=complete.among((STAND_IN, "none")),
        help=f"Engine to use when the chosen one fails (default: {STAND_IN} for one photo, none for several).",
    ),
]
DeadlineSeconds = Annotated[
    float | None,
    typer.Option(
        "--deadline",
        min=0.1,
        metavar="S",
        help="Time limit for one picture in seconds (default: none; Gemini gets up to 3 tries of 40 s).",
    ),
]
Estimate = Annotated[bool, typer.Option("--estimate", help="Print what is left to draw and its cost, draw nothing.")]
BudgetDollars = Annotated[
    float | None, typer.Option("--budget", min=0, metavar="USD", help="Spending limit of the whole run.")
]
ConfirmOver = Annotated[
    float | None, typer.Option(min=0, metavar="USD", help="Ask first if the run would cost more than this.")
]
StylizeMatting = Annotated[
    str | None,
    typer.Option(
        "--matting-engine",
        metavar="ENGINE",
        help="Engine for --remove-bg (see --engine of perkie remove-bg).",
        autocompletion=complete.matting_engine,
    ),
]
MattingEngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="ENGINE",
        help=f"Engine that cuts out: {', '.join((AUTO, *MATTING))}. {AUTO_MATTING.capitalize()}.",
        autocompletion=complete.matting_engine,
    ),
]
MattingMode = Annotated[
    str | None,
    typer.Option(
        "--mode",
        metavar="|".join(MODES),
        help="base is finer, fast is ten times faster.",
        autocompletion=complete.matting_mode,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda[:N]|mps",
        help="Device that runs the network.",
        autocompletion=complete.device,
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        parser=_pixels,
        metavar="PX|1K|2K|4K",
        help="Long side of the result (default 1024).",
        autocompletion=complete.among(("1K", "2K", "4K")),
    ),
]
Customer = Annotated[str | None, typer.Option(metavar="ID", help="Customer that owns the picture.")]
Session = Annotated[str | None, typer.Option(metavar="ID", help="Session that owns the picture (not logged in).")]
Refresh = Annotated[bool, typer.Option("--refresh", help="Make it again even if it is in the cache.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither read nor write the cache.")]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Also search subfolders.")]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Pictures at once; more than 1 uses processes.")
]
ShardOf = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Only part I of N, from 0/N to N-1/N, by each photo's path (default: that of this Cloud Run task).",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that perkie did not make.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Print what would be done, do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Acknowledged = Annotated[
    str | None,
    typer.Option(
        "--i-know-this-is-protected",
        metavar="BUCKET",
        help="Required for a protected bucket.",
        autocompletion=complete.protected_bucket,
    ),
]

Command = Callable[..., None]


def shares(name: str, options: Callable[..., Any], *, first: bool = False) -> Callable[[Command], Command]:
    """Replaces a command's parameter ``name`` by those of ``options``, which gets their values and makes it.

    They come after the command's own, or ``first``.
    """

    def replaced(command: Command) -> Command:
        shared = inspect.signature(options, eval_str=True).parameters
        own = {n: p for n, p in inspect.signature(command, eval_str=True).parameters.items() if n != name}
        ordered = {**shared, **own} if first else {**own, **shared}
        parameters = {each: p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each, p in ordered.items()}

        @functools.wraps(command)
        def with_options(**given: Any) -> None:
            chosen = options(**{each: given[each] for each in shared})
            command(**{name: chosen}, **{each: given[each] for each in own})

        with_options.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]  # read by Typer
        with_options.__annotations__ = {each: p.annotation for each, p in parameters.items()}
        return with_options

    return replaced
