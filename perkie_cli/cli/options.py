"""Flags that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perkie_cli.cli import complete
from perkie_cli.domain.engines import AUTO, AUTO_DRAWING, AUTO_MATTING, DRAWING, MATTING, MODES, STAND_IN
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.pictures.style import BackgroundUse


def _pixels(text: str) -> int:
    """``1600``, or by the name of one of Gemini's image sizes: ``2K``."""
    from perkie_cli.domain.money.price_list import SIDES

    try:
        return SIDES.get(text.upper()) or int(text)
    except ValueError:
        raise InvalidParameter(f"--size: {text!r} is no number of pixels and none of {', '.join(SIDES)}") from None


Inputs = Annotated[list[str], typer.Argument(metavar="INPUT", help="Pictures, folders or patterns; - is stdin.")]
StyleNames = Annotated[
    str,
    typer.Option(
        "--style",
        "-s",
        metavar="ID[,ID…]|all|popular",
        help="By id or alias (perkie styles list).",
        autocompletion=complete.styles,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", readable=False, metavar="FILE", help="Write here (one picture); - is stdout."),
]
OutDir = Annotated[
    Path | None, typer.Option(readable=False, metavar="DIR", help="Write into this folder, else beside each input.")
]
Format = Annotated[
    str | None, typer.Option("--format", metavar="jpg|png|webp", help="Default: by the ending of -o, else jpg.")
]
RemoveBackground = Annotated[bool, typer.Option("--remove-bg", help="Cut the pet out first (perkie remove-bg --help).")]
PictureBackground = Annotated[
    str | None,
    typer.Option(
        "--background",
        metavar="|".join(BackgroundUse),
        help="What the built-in engine does with it; auto replaces it where the whole pet was found.",
        autocompletion=complete.background,
    ),
]
CutoutFormat = Annotated[
    str | None, typer.Option("--format", metavar="png|webp|jpg", help="Default: by the ending of -o, else png.")
]
StyleEngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="|".join((AUTO, *DRAWING)),
        help=f"Who draws; {AUTO_DRAWING}.",
        autocompletion=complete.drawing_engine,
    ),
]
Model = Annotated[str | None, typer.Option(metavar="ID", help="Gemini model (perkie models list).")]
FallbackSteps = Annotated[
    str | None, typer.Option("--fallback", metavar="cache,local|none", help="What may stand in while Gemini fails.")
]
CutoutFallback = Annotated[
    str | None,
    typer.Option(
        "--fallback",
        metavar=f"{STAND_IN}|none",
        help="Who may cut out where the usual engine fails.",
    ),
]
DeadlineSeconds = Annotated[
    float | None, typer.Option("--deadline", min=0.1, metavar="S", help="Time for one picture.")
]
Estimate = Annotated[bool, typer.Option("--estimate", help="Say what it would cost at most, draw nothing.")]
BudgetDollars = Annotated[
    float | None, typer.Option("--budget", min=0, metavar="USD", help="Spend no more than this on the whole run.")
]
MattingEngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="ENGINE",
        help=f"Who cuts out: {', '.join((AUTO, *MATTING))}. {AUTO_MATTING.capitalize()}.",
        autocompletion=complete.matting_engine,
    ),
]
MattingMode = Annotated[
    str | None,
    typer.Option(
        "--mode",
        metavar="|".join(MODES),
        help="base is finer, fast is ten times quicker.",
        autocompletion=complete.matting_mode,
    ),
]
Device = Annotated[
    str | None, typer.Option("--device", metavar="auto|cpu|cuda[:N]|mps", help="Where the network runs.")
]
Size = Annotated[
    int | None, typer.Option(parser=_pixels, metavar="PX|1K|2K|4K", help="Long side of the result (default 1024).")
]
Customer = Annotated[str | None, typer.Option(metavar="ID", help="Whose picture it is.")]
Session = Annotated[str | None, typer.Option(metavar="ID", help="Whose picture it is, not logged in.")]
Refresh = Annotated[bool, typer.Option("--refresh", help="Make it again even if the cache has it.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither read nor fill the cache.")]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Look into folders of folders.")]
Jobs = Annotated[int, typer.Option(min=1, metavar="N", help="Pictures at once; more than 1 uses processes.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that perkie did not make.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Acknowledged = Annotated[
    str | None, typer.Option("--i-know-this-is-protected", metavar="BUCKET", help="Needed for a protected bucket.")
]
