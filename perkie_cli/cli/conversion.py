"""Values that need little or no conversion are spared Typer's.

Typer converts every value of a command with Pydantic, also those that nobody gave. Importing it and building a
validator for each option takes longer than most commands.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import EnumMeta
from functools import partial
from pathlib import Path
from typing import Any

NUMBERS = (int, float, bool)
_NOT_PLAIN = object()


def spare_conversions(command: Any) -> None:
    """Makes a Typer command, and those of a group, leave to Typer only the values that need it."""
    for param in command.params:
        _spare(param)
    command.get_help_option = partial(_help_option, command.get_help_option)
    for inner in getattr(command, "commands", {}).values():
        spare_conversions(inner)


def _help_option(get: Callable[[Any], Any], context: Any) -> Any:
    """--help, which Typer makes late and keeps."""
    option = get(context)
    if option is not None and not isinstance(option.process_value, partial):
        _spare(option)
    return option


def _spare(param: Any) -> None:
    param.process_value = partial(_process, param, param.process_value)


def _process(param: Any, convert: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    converted = _converted(param, value)
    if converted is _NOT_PLAIN or (param.required and not converted):
        return convert(context, value)
    return converted if param.callback is None else param.callback(context, param, converted)


def _converted(param: Any, value: Any) -> Any:
    """The value as its option's type, or ``_NOT_PLAIN``."""
    descriptor = getattr(param, "type_descriptor", None)
    if descriptor is None:  # not a Typer that asks Pydantic
        return _NOT_PLAIN
    wanted, how = descriptor.annotation, descriptor.parameter_info
    several = param.multiple or param.nargs == -1
    if value is None:
        return () if several else None
    if how.parser is not None:
        return _NOT_PLAIN
    if several:
        plain = wanted == list[str] and isinstance(value, tuple | list) and all(type(each) is str for each in value)
        return list(value) if plain else _NOT_PLAIN
    if wanted is Path and isinstance(value, str) and not _is_checked(how):
        return Path(value)
    plain = wanted is str or (value is param.default and (wanted in NUMBERS or isinstance(wanted, EnumMeta)))
    return value if plain and type(value) is wanted else _NOT_PLAIN


def _is_checked(path: Any) -> bool:
    """Whether Typer looks at the file, or makes something other of its path."""
    looks = path.exists or path.readable or path.writable or not path.file_okay or not path.dir_okay
    return bool(looks or path.resolve_path or path.path_type is not None)
