"""Writes a style as a file to copy: every parameter with its range and meaning."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from perkie_cli.domain.pictures.style import BUILT_IN, Parameter, ParameterFacts, Style

_WIDTH = 80  # columns
_COPY = (
    "To make a style of your own, copy this file into your styles folder and change id, title and aliases: "
    "no two styles share a name. Then run `perkie styles check`."
)
_POPULAR = (
    "A popular style is drawn for every visitor of the shop, at its price, and by --style popular. "
    "A copy is popular only if you remove the # of the next line."
)


def as_toml(style: Style, parameters: Sequence[ParameterFacts] = ()) -> str:
    """The style as a file that ``read_style`` reads back, except that a copy of a shipped style is not ``popular``.

    ``parameters`` are those of its drawing: each is written with its value or default, its range and its meaning.
    """
    lines = [
        *_remark(_COPY),
        f"id = {_quoted(style.id)}",
        f"title = {_quoted(style.title)}",
        f"aliases = [{', '.join(map(_quoted, style.aliases))}]",
        *_popular(style),
        f"prompt_version = {_quoted(style.prompt_version)}",
        f"prompt = {_quoted(style.prompt)}",
        f"safe_prompt = {_quoted(style.safe_prompt)}",
        "",
        "[local]",
        f"recipe = {_quoted(style.drawing)}",
        "",
        "[local.parameters]",
        *_parameters(style, parameters),
    ]
    return "\n".join(lines) + "\n"


def _popular(style: Style) -> Iterator[str]:
    if style.popular and style.source == BUILT_IN:
        yield from _remark(_POPULAR)
        yield "# popular = true"
    else:
        yield f"popular = {str(style.popular).lower()}"


def _parameters(style: Style, declared: Sequence[ParameterFacts]) -> Iterator[str]:
    for each in declared:
        yield from _remark(f"{each.help}: {each.allowed} (default {_literal(each.default)})")
        yield f"{each.name} = {_literal(style.parameters.get(each.name, each.default))}"
    known = {each.name for each in declared}
    yield from (f"{name} = {_literal(value)}" for name, value in style.parameters.items() if name not in known)


def _remark(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, _WIDTH - 2):
        yield f"# {line}"


def _literal(value: Parameter) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    """A TOML string; long text spans lines."""
    escaped = "".join(_escaped(c) for c in text)
    return f'"""\n{escaped}"""' if "\n" in text else f'"{escaped}"'


def _escaped(character: str) -> str:
    if character in '\\"':
        return f"\\{character}"
    return character if character in "\n\t" or character.isprintable() else f"\\U{ord(character):08X}"
