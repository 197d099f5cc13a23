"""The OpenAPI document: what the framework reads off the routes, and what only we know.

Bodies are read by hand (``bodies``), since one route takes JSON, forms and raw pictures; so are the events of a stream.
Their models are added here, besides the credentials that this server asks for.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from perkie_cli.auth.authenticate import Authenticator
from perkie_cli.http.answer import schemas
from perkie_cli.http.request.call import PROXY_PREFIX

_COMPONENTS = "#/components/schemas/{model}"
_FORMS = (schemas.GenerateForm, schemas.BatchForm, schemas.ProcessForm)
_READ_BY_HAND = (
    *(schemas.GenerateBody, schemas.BatchBody, schemas.ProcessBody, *_FORMS),
    *(schemas.UploadBody, schemas.UploadForm, schemas.CutoutForm),
)
_MEANING = {
    400: "Malformed",
    401: "No or wrong credentials",
    403: "Not allowed",
    404: "Not found",
    406: "No acceptable media type",
    413: "Too many bytes",
    415: "Not a picture or body of a kind that is read",
    416: "The range lies behind the end",
    422: "A field or the picture is wrong",
    429: "Quota or rate limit",
    503: "At capacity, or an upstream is down",
    504: "Deadline",
}
_WAIT = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
_HEADERS: dict[int, dict[str, Any]] = {
    429: {
        **_WAIT,
        "RateLimit": {"description": "What is left.", "schema": {"type": "string"}},
        "RateLimit-Policy": {"description": "What is allowed.", "schema": {"type": "string"}},
    },
    503: _WAIT,
}
DESCRIPTION = """Pictures are JPEG, PNG, WebP or HEIC, up to 20 MiB and 50 megapixels, and at least 256 px a side.

Every error is `application/problem+json` (RFC 9457). Each answer has an `X-Request-ID`; one that is sent is kept, as is
`traceparent`."""
_NULL = {"type": "null"}
COSTLY = (400, 401, 403, 406, 413, 415, 422, 429, 503, 504)
PICTURES: dict[str, Any] = {"content": {kind: {} for kind in ("image/jpeg", "image/png", "image/webp")}}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeated request with the same key joins or replays instead of paying twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def content_of(model: type[BaseModel]) -> dict[str, Any]:
    """A media type's schema, by reference."""
    return {"schema": {"$ref": _COMPONENTS.format(model=model.__name__)}}


PROBLEM = {"application/problem+json": content_of(schemas.ProblemBody)}


def body_of(json: type[BaseModel], form: type[BaseModel], *, idempotent: bool = False) -> dict[str, Any]:
    """The OpenAPI request body of a route that takes JSON and forms, and its ``Idempotency-Key``."""
    content = {"application/json": content_of(json), "multipart/form-data": content_of(form)}
    parameters = {"parameters": [_IDEMPOTENCY_KEY]} if idempotent else {}
    return {"requestBody": {"required": True, "content": content}, **parameters}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI answers of a route that can fail with these."""
    refer = "#/components/responses/Problem{}".format
    return {status: {"$ref": refer(status), "description": _MEANING[status]} for status in sorted(statuses)}


def describe(app: FastAPI, authenticator: Authenticator) -> None:
    """Makes ``app`` build its document here, once it is asked for."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version=app.version, summary=app.summary, description=app.description,
                routes=app.routes, license_info=app.license_info,
            )  # fmt: skip
            app.openapi_schema = _completed(made, authenticator)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the framework's own way to change the document


def _completed(document: dict[str, Any], authenticator: Authenticator) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas_known = {**_models(), **components.get("schemas", {})}
    components["schemas"] = _plain(dict(sorted(schemas_known.items())))
    document["paths"] = _plain(document["paths"])
    components["responses"] = {f"Problem{status}": _problem(status) for status in _MEANING}
    components["securitySchemes"] = _credentials(authenticator)
    _ask_for_credentials(document["paths"], components["securitySchemes"])
    return document


def _problem(status: int) -> dict[str, Any]:
    told = {"description": _MEANING[status], "content": PROBLEM}
    return {**told, "headers": _HEADERS[status]} if status in _HEADERS else told


def _models() -> dict[str, Any]:
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(each, "validation") for each in _READ_BY_HAND]
    _, found = models_json_schema([*models, (schemas.ProcessEvent, "serialization")], ref_template=_COMPONENTS)
    known: dict[str, Any] = found["$defs"]
    for form in _FORMS:
        (base,) = form.__bases__
        own, inherited = known[form.__name__], known[base.__name__]["properties"]
        added = {name: each for name, each in own["properties"].items() if name not in inherited}
        known[form.__name__] = {
            "description": own["description"],
            "allOf": [content_of(base)["schema"], {"type": "object", "properties": added}],
        }
    return known


def _plain(node: Any) -> Any:
    """Short schemas, which make short clients.

    Without the titles that pydantic makes of every name ("Image Url" says no more than ``image_url``), and with "or
    null" as one of two types instead of one of two schemas.
    """
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {name: _plain(each) for name, each in node.items() if name != "title" or not isinstance(each, str)}
    kinds = node.get("anyOf", [])
    if len(kinds) == 2 and kinds[1] == _NULL and "type" in kinds[0]:
        kind = node.pop("anyOf")[0]
        values = {"enum": [*kind["enum"], None]} if "enum" in kind else {}
        node = {**kind, **node, "type": [kind["type"], "null"], **values}
    return node


def _credentials(authenticator: Authenticator) -> dict[str, Any]:
    """The security schemes of the modes that are on."""
    found: dict[str, Any] = {}
    if authenticator.keys is not None:
        found["api_key"] = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    if authenticator.keys is not None or authenticator.tokens is not None:
        found["bearer"] = {"type": "http", "scheme": "bearer", "description": "An API key, or a token of an hour."}
    if authenticator.proxy_secret is not None:
        found["shopify"] = {
            **{"type": "apiKey", "in": "query", "name": "signature"},
            "description": "The app proxy's, which Shopify adds. Every route is also served below /apps/perkie.",
        }
    return found


def _ask_for_credentials(paths: dict[str, Any], schemes: dict[str, Any]) -> None:
    """Each operation that can answer 401 takes any of them; only the proxy's own take nothing but its signature."""
    for path, operations in paths.items():
        usual = {"shopify"} if path.startswith(PROXY_PREFIX) else schemes.keys() - {"shopify"}
        for operation in operations.values():
            if "401" in operation["responses"] and schemes:
                operation["security"] = [{name: []} for name in schemes if name in usual]
