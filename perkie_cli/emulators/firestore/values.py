"""Field paths, and the order of values, as Firestore defines them.

https://cloud.google.com/firestore/docs/concepts/data-types#value_type_ordering
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from google.cloud.firestore_v1.types import document as documents

# The generated messages themselves: the proto-plus wrappers copy at every access. They have no static types.
Document: Any = documents.Document.pb()
Value: Any = documents.Value.pb()

_SEGMENT = re.compile(r"`((?:[^`\\]|\\.)*)`|([^.`]+)")
_ESCAPED = re.compile(r"\\(.)")
_NUMERIC_ID = re.compile(r"__id(-?\d+)__")


def field_path(text: str) -> list[str]:
    """``a.`b c`.d`` as its segments; a quoted segment may hold anything, with ``\\`` before a backtick or itself."""
    return [_ESCAPED.sub(r"\1", quoted) if quoted else plain for quoted, plain in _SEGMENT.findall(text)]


def get(fields: Any, path: Sequence[str]) -> Any:
    """The value at the path, or None."""
    *parents, last = path
    for name in parents:
        if name not in fields or fields[name].WhichOneof("value_type") != "map_value":
            return None
        fields = fields[name].map_value.fields
    return fields.get(last)


def put(fields: Any, path: Sequence[str], value: Any) -> None:
    """Sets the value at the path; a value in the way of a nested path becomes a map."""
    *parents, last = path
    for name in parents:
        if fields[name].WhichOneof("value_type") != "map_value":
            fields[name].map_value.SetInParent()
        fields = fields[name].map_value.fields
    fields[last].CopyFrom(value)


def remove(fields: Any, path: Sequence[str]) -> None:
    """Removes the value at the path, if any."""
    *parents, last = path
    for name in parents:
        if name not in fields:
            return
        fields = fields[name].map_value.fields
    fields.pop(last, None)


def masked(document: Any, paths: Sequence[str]) -> Any:
    """The document with only these fields."""
    found = Document(name=document.name, create_time=document.create_time, update_time=document.update_time)
    for path in map(field_path, paths):
        value = get(document.fields, path)
        if value is not None:
            put(found.fields, path, value)
    return found


def is_number(value: Any) -> bool:
    """Whether it is an integer or a double."""
    return value is not None and value.WhichOneof("value_type") in ("integer_value", "double_value")


def number(value: Any) -> int | float:
    """The integer or double itself."""
    found: int | float = getattr(value, value.WhichOneof("value_type"))
    return found


def number_value(value: int | float) -> Any:
    """The number as a Value; integers are clamped to 64 bits, as by the server."""
    if isinstance(value, float):
        return Value(double_value=value)
    return Value(integer_value=max(-(2**63), min(2**63 - 1, value)))


def segments_order(name: str) -> tuple[tuple[int, int, bytes], ...]:
    """A sort key of a document's name: numeric ids (``__id7__``) come before all others, in their numbers' order."""
    matches = ((segment, _NUMERIC_ID.fullmatch(segment)) for segment in name.split("/"))
    return tuple((0, int(match[1]), b"") if match else (1, 0, segment.encode()) for segment, match in matches)


def order(value: Any) -> tuple[Any, ...]:
    """A sort key; equal values of any numeric type have equal keys. The first item is the rank of the type."""
    if value is None:
        return (-1,)
    match value.WhichOneof("value_type"):
        case "null_value":
            return (0,)
        case "boolean_value":
            return (1, value.boolean_value)
        case "integer_value" | "double_value":
            found = number(value)
            return (2, found == found, found if found == found else 0)
        case "timestamp_value":
            return (3, value.timestamp_value.seconds, value.timestamp_value.nanos)
        case "string_value":
            return (4, value.string_value.encode())
        case "bytes_value":
            return (5, value.bytes_value)
        case "reference_value":
            return (6, *segments_order(value.reference_value))
        case "geo_point_value":
            return (7, value.geo_point_value.latitude, value.geo_point_value.longitude)
        case "array_value":
            return (8, *map(order, value.array_value.values))
    fields = value.map_value.fields
    if "__type__" in fields and fields["__type__"].string_value == "__vector__":
        numbers = fields["value"].array_value.values
        return (9, len(numbers), *map(order, numbers))
    return (10, *sorted((name.encode(), order(each)) for name, each in fields.items()))
