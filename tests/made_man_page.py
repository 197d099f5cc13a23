"""Makes docs/perkie.1 from the commands: python -m tests.made_man_page"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from perkie_cli.cli.app import COMMANDS, EXAMPLES, command_line, load_command
from perkie_cli.cli.help import examples_of
from perkie_cli.domain.errors import EXIT_CODES
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "perkie.1"
_FILES = (
    ("~/.config/perkie/config.toml", "settings; perkie config show lists all of them with their variables"),
    ("~/.local/state/perkie/", "quotas, spending, records of outputs and runs, audit records"),
    ("~/.cache/perkie/", "pictures; may be lost"),
)


def page() -> str:
    """The page in man(7)."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield '.TH PERKIE 1 "" perkie "User Commands"'
    yield from (".SH NAME", r"perkie \- cut out, stylize, cache, meter and serve pet portraits")
    yield from (".SH SYNOPSIS", ".B perkie", r"[\fIGLOBAL OPTIONS\fR] \fICOMMAND\fR [\fIOPTIONS\fR]")
    yield from (".SH GLOBAL OPTIONS", *_options(command_line()))
    yield ".SH COMMANDS"
    for name in COMMANDS:
        yield from _command(f"perkie {name}", load_command(name))
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", f"\\fB{code}\\fR", _plain(meaning))
    yield ".SH FILES"
    for path, what in _FILES:
        yield from (".TP", f"\\fI{_plain(path)}\\fR", _plain(what))
    yield from (".SH EXAMPLES", *_examples(list(EXAMPLES)))


def _command(path: str, command: Any) -> Iterator[str]:
    if inner := getattr(command, "commands", {}):
        for name, each in inner.items():
            yield from _command(f"{path} {name}", each)
        return
    arguments = [_name(param) for param in command.params if param.param_type_name == "argument"]
    yield f".SS {_plain(' '.join([path, *arguments]))}"
    examples = examples_of(command)
    said = (command.help or "").partition("Example")[0]
    yield from (_plain(" ".join(said.split())), *_options(command), *_examples(examples))


def _options(command: Any) -> Iterator[str]:
    for param in command.params:
        if param.param_type_name == "option" and not param.hidden:
            value = "" if param.is_flag else f" \\fI{_plain(_name(param))}\\fR"
            yield from (".TP", f"\\fB{_plain(', '.join(param.opts))}\\fR{value}", _plain(param.help or ""))


def _name(param: Any) -> str:
    return str(param.metavar or param.name.upper().rstrip("_"))


def _examples(examples: list[str]) -> Iterator[str]:
    if examples:
        yield from (".PP", ".nf", *(_plain(f"    {line}") for each in examples for line in each.splitlines()), ".fi")


def _plain(text: str) -> str:
    """Text that roff takes for nothing else: backslashes, hyphens that are typed, and dots that begin a line."""
    return ("\\&" if text.startswith((".", "'")) else "") + text.replace("\\", "\\e").replace("-", "\\-")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
