"""Queries: a parameter that the route does not know is refused, and so is one that is given twice."""

from __future__ import annotations

from collections import Counter

from fastapi import Request

from perkie_cli.auth.shopify import OWN_PARAMETERS
from perkie_cli.http.request.fields import refuse_repeated, refuse_unknown


def check_query(request: Request, *, proxied: bool) -> None:
    """``proxied``: Shopify's own parameters stand there too, and were checked with their signature.

    Raises: InvalidFields.
    """
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    given = Counter(name for name, _ in request.query_params.multi_items())
    if proxied:
        for name in OWN_PARAMETERS - known:
            del given[name]
    refuse_unknown(given, known, "query parameter")
    refuse_repeated(given)
