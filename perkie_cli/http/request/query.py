"""Queries: unknown parameters are refused, and so are those given twice."""

from __future__ import annotations

from collections import Counter

from fastapi import Request

from perkie_cli.auth.shopify import OWN_PARAMETERS
from perkie_cli.http.request.fields import refuse_repeated, refuse_unknown


def check_query(request: Request, *, proxied: bool) -> None:
    """Checks the names of the query. ``proxied``: Shopify's own parameters are allowed; the signature covers them.

    Raises: InvalidFields.
    """
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    given = Counter(name for name, _ in request.query_params.multi_items())
    if proxied:
        for name in OWN_PARAMETERS - known:
            del given[name]
    refuse_unknown(given, known, "query parameter")
    refuse_repeated(given)
