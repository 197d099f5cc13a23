"""Flags that say how a picture or a cut-out is made."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from perkie_cli.cli import complete
from perkie_cli.domain.engines import AUTO, AUTO_DRAWING, AUTO_MATTING, DRAWING, MATTING, MODES, STAND_IN
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.picture import ImageFormat
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


def _format(formats: str, usual: str) -> Any:
    return typer.Option(
        "--format",
        metavar=formats,
        help=f"Output format (default: by the extension of -o, else {usual}).",
        autocompletion=complete.among(ImageFormat),
    )


def _matting(flag: str, help_: str) -> Any:
    return typer.Option(flag, metavar="ENGINE", help=help_, autocompletion=complete.matting_engine)


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
Format = Annotated[str | None, _format("jpg|png|webp", "jpg")]
RemoveBackground = Annotated[
    bool, typer.Option("--remove-bg", help="Cut the pet out first (see perkie remove-bg --help).")
]
PictureBackground = Annotated[
    str | None,
    typer.Option(
        "--background",
        metavar="|".join(BackgroundUse),
        help="How the local engine treats it; auto replaces it if the whole pet was found.",
        autocompletion=complete.among(BackgroundUse),
    ),
]
CutoutFormat = Annotated[str | None, _format("png|webp|jpg", "png")]
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
StylizeMatting = Annotated[
    str | None, _matting("--matting-engine", "Engine for --remove-bg (see --engine of perkie remove-bg).")
]
CuttingEngine = Annotated[str | None, _matting("--matting-engine", "Engine that cuts out.")]
MattingEngineName = Annotated[
    str | None,
    _matting("--engine", f"Engine that cuts out: {', '.join((AUTO, *MATTING))}. {AUTO_MATTING.capitalize()}."),
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
