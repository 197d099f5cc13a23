"""Structured queries over the documents: selection, order, cursors, limits, and aggregations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import grpc
from google.cloud.firestore_v1.types import query as queries

from perkie_cli.emulators.firestore.filters import NAME, check_limits, inequalities, matches, value_at
from perkie_cli.emulators.firestore.values import Value, field_path, is_number, number, number_value, order
from perkie_cli.emulators.rpc_server import Refused

_DESCENDING = queries.StructuredQuery.Direction.DESCENDING


def select(documents: Iterable[Any], parent: str, query: Any) -> list[Any]:
    """The documents that the query finds below ``parent``, in its order.

    Raises: Refused for a query that Firestore refuses or that is not emulated.
    """
    _check(query)
    orders = _orders(query)
    found = [each for each in documents if _within(each.name, parent, query) and matches(each, query.where)]
    found = [each for each in found if all(value_at(each, path) is not None for path, _ in orders)]
    for path, descending in reversed(orders):
        found.sort(key=lambda each: order(value_at(each, path)), reverse=descending)
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
    numbers = [number(value) for value in (value_at(each, path) for each in found) if is_number(value)]
    if kind == "sum":
        return number_value(sum(numbers))
    return Value(double_value=sum(numbers) / len(numbers)) if numbers else Value(null_value=0)


def _check(query: Any) -> None:
    if len(query.from_) > 1:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "A query cannot have more than one collection selector.")
    if query.limit.value < 0 or query.offset < 0:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "limit and offset cannot be negative.")
    if query.HasField("find_nearest"):
        raise Refused(grpc.StatusCode.UNIMPLEMENTED, "Vector search is not emulated.")
    check_limits(query.where)


def _orders(query: Any) -> list[tuple[str, bool]]:
    """(path, descending), including implied orders: fields of inequalities by name, then the document's name.

    https://cloud.google.com/firestore/docs/query-data/multiple-range-fields
    """
    orders = [(each.field.field_path, each.direction == _DESCENDING) for each in query.order_by]
    descending = orders[-1][1] if orders else False
    for path in (*sorted(inequalities(query.where) - {NAME}, key=field_path), NAME):
        if path not in (ordered for ordered, _ in orders):
            orders.append((path, descending))
    if orders[-1][0] != NAME:
        message = "order by clause cannot contain more fields after the key"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
    return orders


def _within(name: str, parent: str, query: Any) -> bool:
    """The candidate documents; a query without a collection uses all of them."""
    rest = name.removeprefix(parent + "/").split("/") if name.startswith(parent + "/") else []
    wanted, deep = (query.from_[0].collection_id, query.from_[0].all_descendants) if query.from_ else ("", True)
    return len(rest) >= 2 and (deep or len(rest) == 2) and wanted in ("", rest[-2])


def _against(document: Any, cursor: Any, orders: Sequence[tuple[str, bool]]) -> int:
    """The document's position relative to the cursor: -1 before, 0 at, 1 after."""
    for (path, descending), bound in zip(orders, cursor.values, strict=False):
        have, limit = order(value_at(document, path)), order(bound)
        if have != limit:
            return (1 if have > limit else -1) * (-1 if descending else 1)
    return 0
