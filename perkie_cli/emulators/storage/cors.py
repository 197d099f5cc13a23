"""Cross-origin requests: by the bucket's rules for links, always for the JSON API.

https://docs.cloud.google.com/storage/docs/cross-origin
"""

from __future__ import annotations

from perkie_cli.emulators.http_server import Request, Response
from perkie_cli.emulators.storage.records import Bucket, Json

JSON_RULE: Json = {"origin": ["*"], "method": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], "maxAgeSeconds": 3600}


def preflight(request: Request, bucket: Bucket | None) -> Response:
    """The answer to ``OPTIONS``: without headers where no rule allows it. ``bucket`` None: the JSON API."""
    method = request.headers.get("access-control-request-method", "")
    asked = request.headers.get("access-control-request-headers", "")
    rule = _rule(request, bucket, method)
    allowed = {name.lower() for name in (rule or {}).get("responseHeader", ())}
    named = {name.strip().lower() for name in asked.split(",") if name.strip()}
    if rule is None or not (bucket is None or named <= allowed):
        return Response(200, content_type="text/html; charset=UTF-8")
    headers = {
        **_origin(request, rule),
        "Access-Control-Allow-Methods": ", ".join(rule.get("method", ())),
        "Access-Control-Allow-Headers": asked,
        "Access-Control-Max-Age": str(rule.get("maxAgeSeconds", 3600)),
    }
    return Response(200, content_type="text/html; charset=UTF-8", headers=headers)


def headers(request: Request, bucket: Bucket | None) -> dict[str, str]:
    """What an answer to another origin carries, if a rule allows it."""
    rule = _rule(request, bucket, request.method)
    if rule is None:
        return {}
    exposed = ", ".join(rule.get("responseHeader", ()))
    return {**_origin(request, rule), **({"Access-Control-Expose-Headers": exposed} if exposed else {})}


def _rule(request: Request, bucket: Bucket | None, method: str) -> Json | None:
    origin = request.headers.get("origin")
    rules = [JSON_RULE] if bucket is None else bucket.fields.get("cors") or []
    fits = (each for each in rules if {origin, "*"} & {*each.get("origin", ())} and {method, "*"} & {*each["method"]})
    return next(fits, None) if origin else None


def _origin(request: Request, rule: Json) -> dict[str, str]:
    if "*" in rule["origin"]:
        return {"Access-Control-Allow-Origin": "*"}
    return {"Access-Control-Allow-Origin": request.headers["origin"], "Vary": "Origin"}
