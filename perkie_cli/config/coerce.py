"""Converts the raw value from a file, variable or flag to the setting's type."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from perkie_cli.config import schema
from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.secret import Secret
from perkie_cli.domain.units import parse_duration, parse_size

if TYPE_CHECKING:
    from perkie_cli.config.schema import Row

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def coerce(row: Row, raw: Any, origin: str) -> Any:
    """The value in the row's type, within its bounds.

    Raises: InvalidSetting, naming the setting and its origin.
    """
    try:
        value = _convert(_annotation(row), raw)
        _check_bounds(value, *row.field.metadata["bounds"])
    except (ValueError, TypeError, InvalidOperation) as error:
        shown = "****" if "Secret" in str(row.field.type) else repr(raw)
        raise InvalidSetting(f"{row.name} = {shown} ({origin}): {_reason(error)}") from error
    return value


def _reason(error: Exception) -> str:
    return "not a number" if isinstance(error, InvalidOperation) else str(error)


@cache
def _hints(group: str) -> dict[str, Any]:
    return typing.get_type_hints(type(getattr(schema.Settings(), group)))


def _annotation(row: Row) -> Any:
    group, name = row.name.split(".", 1)
    return _hints(group)[name]


def _convert(kind: Any, raw: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin is types.UnionType or origin is typing.Union:
        inner = [a for a in typing.get_args(kind) if a is not type(None)]
        return None if raw == "" else _convert(inner[0], raw)
    if origin is Literal:
        choices = typing.get_args(kind)
        if raw not in choices:
            raise ValueError(f"not one of {', '.join(map(str, choices))}")
        return raw
    if origin is tuple:
        items = [item for item in map(str.strip, raw.split(",")) if item] if isinstance(raw, str) else raw
        if not isinstance(items, list | tuple):
            raise ValueError("not a list")
        return tuple(_convert(typing.get_args(kind)[0], item) for item in items)
    return _SCALARS[kind](raw)


def _bool(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if str(raw).lower() in _TRUE:
        return True
    if str(raw).lower() in _FALSE:
        return False
    raise ValueError("not true or false")


def _int(raw: Any) -> int:
    if isinstance(raw, str) and raw.strip().removeprefix("-").isdecimal():
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float) or raw != raw // 1:
        raise ValueError("not a whole number")
    return int(raw)


def _bytes(raw: Any) -> int:
    return parse_size(raw) if isinstance(raw, str) else _int(raw)


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError("not text")
    return raw


def _duration(raw: Any) -> timedelta:
    if isinstance(raw, timedelta):
        return raw
    return parse_duration(str(raw))


def _path(raw: Any) -> Path:
    try:
        return raw if isinstance(raw, Path) else Path(_text(raw)).expanduser()
    except RuntimeError as error:  # ~nobody
        raise ValueError(str(error)) from error


def _check_bounds(value: Any, minimum: float | None, maximum: float | None) -> None:
    number, unit = (value.total_seconds(), " s") if isinstance(value, timedelta) else (value, "")
    if number is None:
        return
    if minimum is not None and number < minimum:
        raise ValueError(f"must be at least {minimum:.15g}{unit}")
    if maximum is not None and number > maximum:
        raise ValueError(f"must be at most {maximum:.15g}{unit}")


_SCALARS: dict[Any, Callable[[Any], Any]] = {
    bool: _bool,
    int: _int,
    schema.ByteCount: _bytes,
    str: _text,
    Path: _path,
    Decimal: lambda raw: Decimal(str(raw)),
    timedelta: _duration,
    Secret: lambda raw: Secret(_text(raw).strip()),  # strip: a secret read from a file often ends with a newline
}
