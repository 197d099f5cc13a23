"""Structured queries over the documents: filters, order, cursors, limits, and aggregations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import grpc
from google.cloud.firestore_v1.types import query as queries

from perkie_cli.emulators.firestore.values import Value, field_path, get, is_number, number, number_value, order
from perkie_cli.emulators.firestore.writes import Refused

NAME = "__name__"
_Composite = queries.StructuredQuery.CompositeFilter.Operator
_Unary = queries.StructuredQuery.UnaryFilter.Operator
_Field = queries.StructuredQuery.FieldFilter.Operator
_DESCENDING = queries.StructuredQuery.Direction.DESCENDING

_COMPARE: dict[int, Callable[[Any, Any], bool]] = {
    _Field.LESS_THAN: lambda a, b: a < b,
    _Field.LESS_THAN_OR_EQUAL: lambda a, b: a <= b,
    _Field.GREATER_THAN: lambda a, b: a > b,
    _Field.GREATER_THAN_OR_EQUAL: lambda a, b: a >= b,
}
_EQUAL: dict[int, Callable[[Any, Any], bool]] = {
    _Field.EQUAL: lambda a, b: a == b,
    _Field.NOT_EQUAL: lambda a, b: a != b and a[0] != 0,  # not-equal leaves null out
}
_MEMBER: dict[int, Callable[[Any, Sequence[Any], Any, Sequence[Any]], bool]] = {
    _Field.ARRAY_CONTAINS: lambda _, items, wanted, __: wanted in items,
    _Field.ARRAY_CONTAINS_ANY: lambda _, items, __, choices: any(each in items for each in choices),
    _Field.IN: lambda value, _, __, choices: value in choices,
    _Field.NOT_IN: lambda value, _, __, choices: value not in choices and value[0] != 0,
}


def select(documents: Iterable[Any], parent: str, query: Any) -> list[Any]:
    """The documents that the query finds below ``parent``, in its order.

    Raises: Refused, for a query that is not emulated.
    """
    orders = _orders(query)
    found = [each for each in documents if _within(each.name, parent, query) and _matches(each, query.where)]
    found = [each for each in found if all(_value(each, path) is not None for path, _ in orders)]
    for path, descending in reversed(orders):
        found.sort(key=lambda each: order(_value(each, path)), reverse=descending)
    if query.HasField("start_at"):
        least = 0 if query.start_at.before else 1
        found = [each for each in found if _against(each, query.start_at, orders) >= least]
    if query.HasField("end_at"):
        most = -1 if query.end_at.before else 0
        found = [each for each in found if _against(each, query.end_at, orders) <= most]
    found = found[query.offset :]
    return found[: query.limit.value] if query.HasField("limit") else found


def aggregate(found: Sequence[Any], aggregation: Any) -> Any:
    """One count, sum or average over the documents."""
    kind = aggregation.WhichOneof("operator")
    if kind == "count":
        return Value(integer_value=len(found))
    path = getattr(aggregation, kind).field.field_path
    numbers = [number(value) for value in (_value(each, path) for each in found) if is_number(value)]
    if kind == "sum":
        return number_value(sum(numbers))
    return Value(double_value=sum(numbers) / len(numbers)) if numbers else Value(null_value=0)


def _orders(query: Any) -> list[tuple[str, bool]]:
    """(path, descending) with the implied order: by the inequality's field where none is given, then by name."""
    orders = [(each.field.field_path, each.direction == _DESCENDING) for each in query.order_by]
    if not orders and (path := _inequality(query.where)) is not None:
        orders.append((path, False))
    if NAME not in (path for path, _ in orders):
        orders.append((NAME, orders[-1][1] if orders else False))
    return orders


def _inequality(where: Any) -> str | None:
    kind = where.WhichOneof("filter_type")
    if kind == "composite_filter":
        return next((path for path in map(_inequality, where.composite_filter.filters) if path is not None), None)
    if kind == "field_filter" and where.field_filter.op in _COMPARE:
        path: str = where.field_filter.field.field_path
        return path
    return None


def _within(name: str, parent: str, query: Any) -> bool:
    collection = query.from_[0]
    rest = name.removeprefix(parent + "/").split("/") if name.startswith(parent + "/") else []
    if len(rest) < 2 or rest[-2] != collection.collection_id:
        return False
    return bool(collection.all_descendants) or len(rest) == 2


def _value(document: Any, path: str) -> Any:
    return Value(reference_value=document.name) if path == NAME else get(document.fields, field_path(path))


def _matches(document: Any, where: Any) -> bool:
    match where.WhichOneof("filter_type"):
        case None:
            return True
        case "composite_filter":
            any_of = where.composite_filter.op == _Composite.OR
            return (any if any_of else all)(_matches(document, each) for each in where.composite_filter.filters)
        case "unary_filter":
            return _unary(_value(document, where.unary_filter.field.field_path), where.unary_filter.op)
    return _compared(document, where.field_filter)


def _unary(value: Any, operator: int) -> bool:
    if value is None:
        return False
    rank = order(value)
    tests: dict[int, bool] = {
        _Unary.IS_NULL: rank[0] == 0,
        _Unary.IS_NOT_NULL: rank[0] != 0,
        _Unary.IS_NAN: rank[:2] == (2, False),
        _Unary.IS_NOT_NAN: rank[0] != 0 and rank[:2] != (2, False),
    }
    return tests[operator]


def _compared(document: Any, condition: Any) -> bool:
    value, operator = _value(document, condition.field.field_path), condition.op
    if value is None:
        return False
    have, want = order(value), order(condition.value)
    if operator in _COMPARE:
        return have[0] == want[0] and _COMPARE[operator](have, want)  # only values of one type compare
    if operator in _EQUAL:
        return _EQUAL[operator](have, want)
    if operator not in _MEMBER:
        raise Refused(grpc.StatusCode.UNIMPLEMENTED, f"operator {operator} is not emulated")
    items = [order(each) for each in value.array_value.values]
    choices = [order(each) for each in condition.value.array_value.values]
    return _MEMBER[operator](have, items, want, choices)


def _against(document: Any, cursor: Any, orders: Sequence[tuple[str, bool]]) -> int:
    """Where the document stands to the cursor: -1 before, 0 at, 1 after."""
    for (path, descending), bound in zip(orders, cursor.values, strict=False):
        have, limit = order(_value(document, path)), order(bound)
        if have != limit:
            return (1 if have > limit else -1) * (-1 if descending else 1)
    return 0
