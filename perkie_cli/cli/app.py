"""The root command. Sub-commands are a table: a module is imported only when its command runs."""

from __future__ import annotations

import importlib
import sys
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

import perkie_cli
from perkie_cli.cli.conversion import spare_conversions
from perkie_cli.cli.flags import GlobalFlags
from perkie_cli.cli.help import HELP_NAMES, shape_help
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.domain.errors import UsageError
from perkie_cli.system.imports import uncollected

# name → one line of help. The module is perkie_cli.cli.commands.<name>, with "_" for "-"; it holds ``app``.
COMMANDS: dict[str, str] = {
    "stylize": "Redraw pets in an artistic style.",
    "remove-bg": "Cut pets out of their background.",
    "process": "Do all for each pet: cut it out, draw its styles, and put them on a contact sheet.",
    "report": "Show what runs over many photos did, also of one that goes on or was killed.",
    "styles": "List, show, check and preview styles.",
    "models": "Get, check and evaluate the models that draw and cut out.",
    "cache": "Inspect, check and clear stored pictures.",
    "lifecycle": "Keep the bucket's lifetime rules up to date.",
    "quota": "Show, reset, grant and charge quotas.",
    "cost": "Estimate what strategies cost, and report what was spent.",
    "state": "Check the files of quotas, spending and outputs.",
    "doctor": "Find what is wrong with this installation or a running server, and what mends it.",
    "deploy": "Ship to Cloud Run: manifests, checks, and a canary that goes back by itself.",
    "audit": "Show what was changed, by whom and when.",
    "events": "Show the last failures of a server, from its log.",
    "monitor": "Keep Cloud Monitoring's objectives, alerts and dashboard in line with slo.yaml.",
    "load-test": "Test the service under load, as a gate for CI.",
    "emulate": "Run local emulators of the services that perkie uses.",
    "config": "Show settings and their origin, write a config file.",
    "serve": "Serve the same pictures over HTTP.",
    "backup": "Copy the state files while they are in use, check copies and restore them.",
    "keys": "Make, list and revoke API keys of a server.",
}


EXAMPLES = (
    "perkie stylize pet.jpg --style ink_wash",
    "perkie remove-bg pet.jpg -o cut.png",
    "perkie help quota",
)
ROOT_OPTIONS = {"install_completion", "show_completion"}  # Typer adds them to every app; they belong to the root


class LazyGroup(TyperGroup):
    """Imports a command only to run it, complete it or show its help; until then a placeholder has its help line."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Imports the command that is about to run, and sets its name for the envelope: ``cache stats``."""
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = load_command(args[0])
            if not isinstance(
                ctx.obj, Renderer
            ):  # during shell completion: offer global options after the command, too
                _add_options(self.commands[args[0]], [each for each in self.params if each.name not in ROOT_OPTIONS])
        name, command, rest = super().resolve_command(ctx, args)
        if isinstance(ctx.obj, Renderer):  # there is none during shell completion
            inner = rest[:1] if isinstance(command, TyperGroup) and rest and rest[0] in command.commands else []
            ctx.obj.command = " ".join([args[0], *inner])
        return name, command, rest


def load_command(name: str) -> Any:
    """Imports one of ``COMMANDS``."""
    path = f"perkie_cli.cli.commands.{name.replace('-', '_')}"
    with nullcontext() if path in sys.modules else uncollected():
        module = importlib.import_module(path)
    command = get_command(module.app)
    command.name = name
    command.params = [param for param in command.params if param.name not in ROOT_OPTIONS]
    shape_help(command)
    spare_conversions(command)
    return command


def commands_with(option: str) -> list[str]:
    """The names of all commands that have this option, such as ``cache warm``. It imports every command."""
    return [name for name, options in _options().items() if option in options]


@cache
def _options() -> dict[str, set[str]]:
    """The options of each command. To make all commands takes long, also once they are imported."""
    found: dict[str, set[str]] = {}
    for name in COMMANDS:
        command = load_command(name)
        inner = {f"{name} {each}": sub for each, sub in getattr(command, "commands", {}).items()} or {name: command}
        found |= {full: {opt for param in each.params for opt in param.opts} for full, each in inner.items()}
    return found


def _add_options(command: Any, more: list[Any]) -> None:
    command.params = [*command.params, *more]
    for inner in getattr(command, "commands", {}).values():
        _add_options(inner, more)


def _profiles(incomplete: str) -> list[tuple[str, str]]:
    from perkie_cli.cli.complete import profile  # imported late: only completion needs it

    return profile(incomplete)


def _root(
    ctx: typer.Context,
    config: Annotated[Path | None, typer.Option(help="Read settings from this file only.", metavar="FILE")] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="Use this profile of the config file.", metavar="NAME", autocompletion=_profiles),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON envelope on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only data and errors.")] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="Print each attempt at an upstream, tracebacks of bugs, and the log of serve."
        ),
    ] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colour (also NO_COLOR).")] = False,
    no_input: Annotated[
        bool, typer.Option("--no-input", help="Never ask; fail if a confirmation would be needed.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False,
) -> None:
    """Cut out, stylize, cache, meter and serve pet portraits.

    Global options may stand before or after the command.
    """
    renderer: Renderer = ctx.obj
    renderer.flags = GlobalFlags(json, quiet, verbose, no_color, no_input, version, config, profile)
    if version:
        text = f"perkie {perkie_cli.__version__}"
        raise typer.Exit(renderer.finish(Report([_version()], text=[text])))
    if ctx.invoked_subcommand is None:
        if json:
            raise UsageError("missing command", hint="`perkie --help` lists them.")
        renderer.line(ctx.get_help())
        raise typer.Exit


def _version() -> object:
    from perkie_cli.cli.row_parts import VersionRow  # imported late: only --version needs it

    return VersionRow(perkie_cli.__version__)


def command_line() -> Any:
    """The root command, ready to be called."""
    app = typer.Typer(
        cls=LazyGroup,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": HELP_NAMES},
    )
    app.callback(invoke_without_command=True)(_root)
    root = cast(LazyGroup, get_command(app))
    shape_help(root, EXAMPLES, footer="")
    spare_conversions(root)
    root.commands.update({name: TyperCommand(name, help=text) for name, text in COMMANDS.items()})
    return root
