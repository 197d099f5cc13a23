"""The conditions of a query: which documents match, and which conditions Firestore refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
from google.cloud.firestore_v1.types import query as queries

from perkie_cli.emulators.firestore.values import Value, field_path, get, order
from perkie_cli.emulators.rpc_server import Refused

NAME = "__name__"
_Composite = queries.StructuredQuery.CompositeFilter.Operator
_Unary = queries.StructuredQuery.UnaryFilter.Operator
_Field = queries.StructuredQuery.FieldFilter.Operator
_NAN = (2, False)  # how the order of NaN begins

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
_NEGATIONS = (_Field.NOT_EQUAL, _Field.NOT_IN)
_UNARY_NEGATIONS = (_Unary.IS_NOT_NULL, _Unary.IS_NOT_NAN)
_ARRAYS = (_Field.ARRAY_CONTAINS, _Field.ARRAY_CONTAINS_ANY)


def value_at(document: Any, path: str) -> Any:
    """The value of a field, or the document's name as a value; None if the field is missing."""
    return Value(reference_value=document.name) if path == NAME else get(document.fields, field_path(path))


def matches(document: Any, where: Any) -> bool:
    """Whether the document matches.

    Raises: Refused for an operator that is not emulated.
    """
    match where.WhichOneof("filter_type"):
        case None:
            return True
        case "composite_filter":
            any_of = where.composite_filter.op == _Composite.OR
            return (any if any_of else all)(matches(document, each) for each in where.composite_filter.filters)
        case "unary_filter":
            return _unary(value_at(document, where.unary_filter.field.field_path), where.unary_filter.op)
    return _compared(document, where.field_filter)


def inequalities(where: Any) -> set[str]:
    """The paths by which a query without an order is sorted first."""
    unary, compared = _conditions(where)
    paths = {each.field.field_path for each in unary if each.op in _UNARY_NEGATIONS}
    return paths | {each.field.field_path for each in compared if each.op in (*_COMPARE, *_NEGATIONS)}


def check_limits(where: Any) -> None:
    """Refuses queries that Firestore refuses with any index.

    https://cloud.google.com/firestore/docs/query-data/queries#limits_on_or_queries. Raises: Refused.
    """
    unary, compared = _conditions(where)
    operators = [each.op for each in compared]
    negations = [op for op in operators if op in _NEGATIONS] + [each for each in unary if each.op in _UNARY_NEGATIONS]
    if len(negations) > 1:
        raise _invalid("Only a single NOT_EQUAL, NOT_IN, IS_NOT_NAN or IS_NOT_NULL filter is allowed per query.")
    if _Field.NOT_IN in operators and ({_Field.IN, _Field.ARRAY_CONTAINS_ANY} & {*operators} or _has_or(where)):
        raise _invalid("NOT_IN cannot be used in the same query with IN, ARRAY_CONTAINS_ANY or OR.")
    if not _has_or(where) and sum(op in _ARRAYS for op in operators) > 1:
        raise _invalid("At most one ARRAY_CONTAINS filter is allowed per disjunction.")
    names = any(each.op in (_Field.EQUAL, _Field.IN) and each.field.field_path == NAME for each in compared)
    if names and inequalities(where) - {NAME} == inequalities(where) != set():
        raise _invalid("Equality on the name is not allowed beside inequalities of other fields alone.")


def _invalid(message: str) -> Refused:
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, message)


def _conditions(where: Any) -> tuple[list[Any], list[Any]]:
    """All unary and comparing conditions, at any depth."""
    leaves = list(_leaves(where))
    unary = [each.unary_filter for each in leaves if each.HasField("unary_filter")]
    return unary, [each.field_filter for each in leaves if each.HasField("field_filter")]


def _leaves(where: Any) -> Iterator[Any]:
    if where.WhichOneof("filter_type") == "composite_filter":
        for each in where.composite_filter.filters:
            yield from _leaves(each)
    else:
        yield where


def _has_or(where: Any) -> bool:
    composite = where.composite_filter
    return composite.op == _Composite.OR or any(map(_has_or, composite.filters))


def _unary(value: Any, operator: int) -> bool:
    if value is None:
        return False
    rank = order(value)
    tests: dict[int, bool] = {
        _Unary.IS_NULL: rank[0] == 0,
        _Unary.IS_NOT_NULL: rank[0] != 0,
        _Unary.IS_NAN: rank[:2] == _NAN,
        _Unary.IS_NOT_NAN: rank[0] != 0 and rank[:2] != _NAN,
    }
    return tests[operator]


def _compared(document: Any, condition: Any) -> bool:
    value, operator = value_at(document, condition.field.field_path), condition.op
    if value is None:
        return False
    have, want = order(value), order(condition.value)
    if operator in _COMPARE:  # only values of one type compare, and NaN with nothing
        return have[0] == want[0] and _NAN not in (have[:2], want[:2]) and _COMPARE[operator](have, want)
    if operator in _EQUAL:
        return _EQUAL[operator](have, want)
    if operator not in _MEMBER:
        raise Refused(grpc.StatusCode.UNIMPLEMENTED, f"operator {operator} is not emulated")
    items = [order(each) for each in value.array_value.values]
    choices = [order(each) for each in condition.value.array_value.values]
    return _MEMBER[operator](have, items, want, choices)
