"""Applies one write to one document: preconditions, masks and field transforms."""

from __future__ import annotations

import re
from typing import Any

import grpc
from google.cloud.firestore_v1.types import write as messages

from perkie_cli.emulators.firestore.values import (
    Document,
    Value,
    field_path,
    get,
    is_number,
    number,
    number_value,
    order,
    put,
    remove,
)
from perkie_cli.emulators.rpc_server import Refused

MAX_DOCUMENT = 1_048_576  # bytes; https://cloud.google.com/firestore/quotas#limits
WriteResult: Any = messages.WriteResult.pb()
_NAME = re.compile(r"projects/[^/]+/databases/[^/]+/documents((?:/[^/]+/[^/]+)+)")
_RESERVED = re.compile(r"\.|\.\.|__(?!id-?\d+__).*__")  # numeric ids are Datastore's


def target(write: Any) -> str:
    """The name of the document that the write changes.

    Raises: Refused for an invalid name.
    """
    kind = write.WhichOneof("operation")
    name: str = {"delete": write.delete, "transform": write.transform.document}.get(kind, write.update.name)
    match = _NAME.fullmatch(name)
    if match is None or any(_RESERVED.fullmatch(segment) for segment in match[1].split("/")):
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"Document name {name!r} is not valid.")
    return name


def check(write: Any, current: Any, name: str) -> None:
    """Checks the write's precondition. Raises: Refused."""
    condition = write.current_document
    kind = condition.WhichOneof("condition_type")
    exists = current is not None
    if kind == "exists" and condition.exists != exists:
        if exists:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Document already exists: {name}")
        raise Refused(grpc.StatusCode.NOT_FOUND, f"No document to update: {name}")
    if kind == "update_time" and (not exists or current.update_time != condition.update_time):
        message = f"the stored version of {name} does not match the required base version"
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, message)


def apply(write: Any, current: Any, name: str, time: Any) -> tuple[Any, Any]:
    """The document after the write (None: deleted) and the write's result.

    A write without changes leaves the document and its update time as they are. Raises: Refused for a document that
    becomes too large.
    """
    kind = write.WhichOneof("operation")
    if kind == "delete":
        return None, WriteResult()
    made = Document(name=name, create_time=time if current is None else current.create_time, update_time=time)
    if current is not None and (kind == "transform" or write.HasField("update_mask")):
        _merge(made, current)
    if kind == "update":
        _update(made, write)
    transforms = write.transform.field_transforms if kind == "transform" else write.update_transforms
    results = [_transform(made, each, time) for each in transforms]
    if made.ByteSize() > MAX_DOCUMENT:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"Document {name!r} exceeds {MAX_DOCUMENT} bytes.")
    if current is not None and made.fields == current.fields:
        made = current
    return made, WriteResult(update_time=made.update_time, transform_results=results)


def _merge(made: Any, source: Any) -> None:
    for field, value in source.fields.items():
        made.fields[field].CopyFrom(value)


def _update(made: Any, write: Any) -> None:
    if not write.HasField("update_mask"):
        _merge(made, write.update)
        return
    for path in map(field_path, write.update_mask.field_paths):
        value = get(write.update.fields, path)
        if value is None:
            remove(made.fields, path)
        else:
            put(made.fields, path, value)


def _transform(made: Any, transform: Any, time: Any) -> Any:
    """The value that a transform returns: the new number or time, null for arrays."""
    path = field_path(transform.field_path)
    current, kind = get(made.fields, path), transform.WhichOneof("transform_type")
    argument = getattr(transform, kind)
    if kind == "set_to_server_value":
        value = result = Value(timestamp_value=time)
    elif kind in ("increment", "maximum", "minimum"):
        value = result = _reckoned(kind, current, argument)
    else:
        value, result = _array(kind, current, argument.values), Value(null_value=0)
    copy = Value()
    copy.CopyFrom(value)  # the argument belongs to the request
    put(made.fields, path, copy)
    return result


def _reckoned(kind: str, current: Any, argument: Any) -> Any:
    if not is_number(current):
        return argument
    before, operand = number(current), number(argument)
    if kind == "increment":
        return number_value(before + operand)
    return number_value(max(before, operand) if kind == "maximum" else min(before, operand))


def _array(kind: str, current: Any, argument: Any) -> Any:
    is_array = current is not None and current.WhichOneof("value_type") == "array_value"
    items = list(current.array_value.values) if is_array else []
    if kind == "append_missing_elements":
        for each in argument:
            if order(each) not in map(order, items):
                items.append(each)
    else:
        unwanted = [order(each) for each in argument]
        items = [each for each in items if order(each) not in unwanted]
    value = Value()
    value.array_value.SetInParent()
    value.array_value.values.extend(items)
    return value
