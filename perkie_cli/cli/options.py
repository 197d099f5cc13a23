"""Flags that several commands share. Those of making a picture or cut-out are in ``making``: they import much more."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from perkie_cli.cli import complete

Inputs = Annotated[list[str], typer.Argument(metavar="INPUT", help="Pictures, folders or glob patterns; - is stdin.")]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Output file for one picture, or a folder as DIR/; - is stdout."
    ),
]
OutDir = Annotated[
    Path | None,
    typer.Option(
        readable=False, metavar="DIR", help="Output folder, or gs://bucket/prefix (default: next to each input)."
    ),
]
Estimate = Annotated[bool, typer.Option("--estimate", help="Print what is left to draw and its cost, draw nothing.")]
BudgetDollars = Annotated[
    float | None, typer.Option("--budget", min=0, metavar="USD", help="Spending limit of the whole run.")
]
ConfirmOver = Annotated[
    float | None, typer.Option(min=0, metavar="USD", help="Ask first if the run would cost more than this.")
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
