"""The help of commands in one form: what it does, the options, then examples that stand as they are typed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import typer

HELP_NAMES = ["-h", "--help"]
GLOBAL_OPTIONS = "Global options, such as --json, --quiet and --config: perkie --help"
_TAG = re.compile(r"\[(?=[a-z#/@])")  # Rich would take it for markup: perkie-cli[matting]
_EXAMPLES = re.compile(r"^ *Examples?:\n", re.MULTILINE)


def shape_help(command: Any, examples: Sequence[str] = (), footer: str = GLOBAL_OPTIONS) -> None:
    """Replaces the command's help, and that of its sub-commands, when it is asked for.

    A group without ``examples`` of its own shows the first one of each of its commands.
    """
    for inner in getattr(command, "commands", {}).values():
        shape_help(inner)
    command.format_help = functools.partial(_print_help, command, command.format_help, examples, footer)


def examples_of(command: Any) -> list[str]:
    """The examples in the docstring of a command; for a group the first one of each of its commands."""
    if inner := getattr(command, "commands", {}):
        return [example for each in inner.values() for example in examples_of(each)[:1]]
    return _split(command.help or "")[1]


def _print_help(
    command: Any,
    print_help: Callable[[Any, Any], None],
    examples: Sequence[str],
    footer: str,
    context: Any,
    formatter: Any,
) -> None:
    examples = examples or examples_of(command)
    _make_plain(command)
    try:
        print_help(context, formatter)
    except SystemExit as left:  # what Rich makes of a reader that has closed the pipe
        raise BrokenPipeError from left
    lines = ["Examples:", "", *(f"  {line}" for each in examples for line in each.splitlines())] if examples else []
    typer.echo("\n".join(f" {line}".rstrip() for line in [*lines, "", *([footer] if footer else [])]))


def _make_plain(command: Any) -> None:
    """Text that Rich prints as it is; one paragraph a line; no type for switches, which take no value."""
    command.help = _TAG.sub(r"\\[", _split(command.help or "")[0])
    for param in command.get_params(typer.Context(command, help_option_names=HELP_NAMES)):
        if getattr(param, "help", None):
            param.help = _TAG.sub(r"\\[", param.help)
        if getattr(param, "is_flag", False):
            param.metavar = ""
    for inner in getattr(command, "commands", {}).values():
        inner.help = _TAG.sub(r"\\[", _split(inner.help or "")[0])


def _split(text: str) -> tuple[str, list[str]]:
    """The paragraphs and the examples of a docstring; an example goes on after a line that ends with a backslash."""
    parts = _EXAMPLES.split(text, maxsplit=1)
    paragraphs = [" ".join(each.split()) for each in parts[0].split("\n\n")]
    lines = [line.strip() for line in parts[1].splitlines() if line.strip()] if len(parts) > 1 else []
    examples: list[str] = []
    for line in lines:
        if examples and examples[-1].endswith("\\"):
            examples[-1] += f"\n    {line}"
        else:
            examples.append(line)
    return "\n\n".join(filter(None, paragraphs)), examples
