"""Converts JSON values to Firestore's and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.cloud.firestore_v1.types import ArrayValue, MapValue, Value

from perkie_cli.ports import Document

TTL_FIELD = "expire_at"  # a timestamp, for the collection's TTL policy; made of the document's own ``expires``


def encode(document: Document) -> dict[str, Value]:
    """A JSON object as Firestore fields."""
    fields = {name: _value(each) for name, each in document.items()}
    fields[TTL_FIELD] = Value(timestamp_value=datetime.fromtimestamp(document["expires"], UTC))
    return fields


def decode(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of ``encode``, of the generated message's fields."""
    return {name: _plain(each) for name, each in fields.items() if name != TTL_FIELD}


def _value(item: object) -> Value:
    match item:
        case None:
            return Value(null_value=0)
        case bool():
            return Value(boolean_value=item)
        case int():
            return Value(integer_value=item)
        case float():
            return Value(double_value=item)
        case str():
            return Value(string_value=item)
        case Mapping():
            return Value(map_value=MapValue(fields={name: _value(each) for name, each in item.items()}))
        case list() | tuple():
            return Value(array_value=ArrayValue(values=[_value(each) for each in item]))
    raise TypeError(f"{type(item).__name__} is not a JSON value")


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value_type")
    if kind == "null_value":
        return None
    if kind == "map_value":
        return {name: _plain(each) for name, each in value.map_value.fields.items()}
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return getattr(value, kind)
