"""The one boundary where errors become exit codes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from perkie_cli.cli.app import command_line, commands_with
from perkie_cli.cli.flags import GlobalFlags
from perkie_cli.cli.render import Renderer
from perkie_cli.domain.errors import Interrupted, PerkieError, UsageError
from perkie_cli.domain.errors.wrong_value import reason

_LISTING = re.compile(r"no such command '(?:ls|list)'", re.IGNORECASE)
_LISTS = {
    "cache": "cache inspect",
    "quota": "quota show --all",
    "lifecycle": "lifecycle show",
    "monitor": "monitor show",
}
"""What lists in a group that has no ``list``."""
_NEGATIVE = re.compile(r"o such option: -\d")
COMPLETING = "_PERKIE_COMPLETE"  # set by the shell's completion function


def run(args: Sequence[str]) -> int:
    """Runs the hoisted arguments and returns the exit code. It never raises, except for a bug in itself."""
    renderer = Renderer(GlobalFlags.peek(args))
    renderer.words = tuple(args)
    if renderer.flags.no_color:
        os.environ["NO_COLOR"] = "1"  # also for the help texts, which Rich prints
    try:
        return _invoke(list(args), renderer)
    except typer.TyperException as error:
        return renderer.fail(_usage_error(error, renderer.command))
    except (KeyboardInterrupt, typer.Abort):
        if COMPLETING in os.environ:  # Ctrl-C while the shell asks: nothing may be printed into the prompt
            return Interrupted.exit_code
        if renderer.ended is not None:
            return renderer.ended  # too late: one envelope is printed, and a second would make stdout unreadable
        return renderer.fail(Interrupted("interrupted; finished work is kept"))
    except PerkieError as error:
        return renderer.fail(error)
    except BrokenPipeError:
        return renderer.ended or 0  # the reader (head, less) closed the pipe
    except Exception as error:  # noqa: BLE001  # the last boundary: a bug must end as exit 1 with a way to report it
        return renderer.fail(renderer.unexpected(error))


def _invoke(args: list[str], renderer: Renderer) -> int:
    """Runs the command without click's ``main``, which has its own handling of SIGINT and broken pipes."""
    command = command_line()
    if COMPLETING in os.environ:
        command.main(prog_name="perkie")  # answers the shell's completion request and exits
    try:
        with command.make_context("perkie", args, obj=renderer) as context:
            return int(command.invoke(context) or 0)
    except typer.Exit as done:
        return done.exit_code


def _usage_error(error: typer.TyperException, running: str) -> UsageError:
    """Adds the command's help as a hint. ``running`` names the command: some usage errors carry no context."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else f"perkie {running.removeprefix('perkie')}".rstrip()
    wrong: Sequence[Mapping[str, Any]] = getattr(error.__cause__, "errors", tuple)()  # Pydantic's, if it was asked
    if wrong:
        error.message = reason(wrong[0])
    message = error.format_message().rstrip(".")
    hint = f"`{command} --help` shows its arguments and options."
    unknown = getattr(error, "option_name", "") if message.startswith("No such option") else ""
    if unknown and (others := commands_with(unknown)):
        hint = f"It is an option of {_listed(others)}. {hint}"
    group = command.removeprefix("perkie ")
    if _LISTING.match(message) and group in _LISTS:
        hint = f"`perkie {_LISTS[group]}` lists; {hint}"
    if _NEGATIVE.search(message):
        hint = f"A negative number stands after --: {command} --customer 42 -- -5"
    return UsageError(message[:1].lower() + message[1:], hint=hint)


def _listed(names: Sequence[str]) -> str:
    """The first few."""
    shown = [f"`perkie {name}`" for name in names[:3]]
    return ", ".join([*shown, "others"] if len(names) > len(shown) else shown)
