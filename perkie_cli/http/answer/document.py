"""The OpenAPI document: the framework derives it from the routes, and this module adds the rest.

Bodies are read by hand (``bodies``), because one route takes JSON, forms and raw pictures; events of a stream are
written by hand. Their models are added here, and the credentials that this server requires.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from perkie_cli.auth.authenticate import Authenticator
from perkie_cli.config.schema import Settings
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.domain.units import format_size
from perkie_cli.http.answer import removebg, removebg_schemas, schemas
from perkie_cli.http.request.call import KEY, PROXY_PREFIX
from perkie_cli.services.cutouts.laid_out import ZIP

_COMPONENTS = "#/components/schemas/{model}"
_READ_BY_HAND = (
    *(schemas.GenerateBody, schemas.BatchBody, schemas.ProcessBody, schemas.UploadBody),
    *(schemas.GenerateForm, schemas.BatchForm, schemas.ProcessForm, schemas.UploadForm, schemas.CutoutForm),
    *(removebg_schemas.RemovebgBody, removebg_schemas.RemovebgForm),
)
_WRITTEN_BY_HAND = (schemas.ProcessEvent, removebg_schemas.RemovebgResult, removebg_schemas.RemovebgErrors)
_MEANING = {
    400: "Malformed",
    401: "Missing or wrong credentials",
    403: "Not allowed",
    404: "Not found",
    406: "No acceptable media type",
    413: "Too many bytes",
    415: "Not a supported kind of picture or body",
    416: "The range starts after the end",
    422: "A field or the picture is wrong",
    429: "Quota or rate limit",
    503: "At capacity, or an upstream is down",
    504: "Deadline",
}
_WAIT = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
_REMOVEBG_MEANING = {
    400: "A parameter or the picture is wrong",
    402: "Insufficient credits",
    403: "Authentication failed",
    429: "Rate limit exceeded",
    503: _MEANING[503],
    504: _MEANING[504],
}
_REMOVEBG_RATE = {name: {"schema": {"type": "integer"}} for name in removebg.RATE_HEADERS}
_REMOVEBG_HEADERS: dict[int, dict[str, Any]] = {429: {**_WAIT, **_REMOVEBG_RATE}, 503: _WAIT}
_REMOVEBG_RESULT = {
    **dict.fromkeys(removebg.SIZE_HEADERS, "integer"),
    **{"X-Type": "string", "X-Credits-Charged": "number"},
}
_HEADERS: dict[int, dict[str, Any]] = {
    429: {
        **_WAIT,
        "RateLimit": {"description": "What is left.", "schema": {"type": "string"}},
        "RateLimit-Policy": {"description": "The allowed methods.", "schema": {"type": "string"}},
    },
    503: _WAIT,
}
_DESCRIPTION = """Pictures are JPEG, PNG, WebP or HEIC: up to {size} and {pixels:g} megapixels, and
at least {side} px a side.

Unknown fields and query parameters are refused, and so are those given twice. A list (`styles`) is a JSON array, a
repeated field of a form, or a comma-separated text.

Every error is `application/problem+json` (RFC 9457), except on routes below `/v1.0/`, which answer like the remove.bg
API. Each answer has an `X-Request-ID`; one that the client sends is used, and so is `traceparent`."""
_TAGS = {
    "drawing": "Pictures in a style.",
    "cutting out": "Pictures without their background.",
    "storefront": "Other requests of the shop's pages.",
    "operations": "The state of the server.",
}
_NULL = {"type": "null"}
COSTLY = (400, 401, 403, 406, 413, 415, 422, 429, 503, 504)
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
PICTURES: dict[str, Any] = {"content": dict.fromkeys((kind.media_type for kind in ImageFormat), BINARY)}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeated request of the same customer or session joins or replays instead of paying twice.",
    "schema": {"type": "string", "pattern": f"^{KEY.pattern}$"},
}
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "What an EventSource sends when it reconnects: `end` after the last event.",
    "schema": {"type": "string"},
}


def content_of(model: type[BaseModel]) -> dict[str, Any]:
    """A media type's schema as a reference."""
    return {"schema": {"$ref": _COMPONENTS.format(model=model.__name__)}}


PROBLEM = {"application/problem+json": content_of(schemas.ProblemBody)}


def body_of(
    json: type[BaseModel], form: type[BaseModel], *headers: dict[str, Any], idempotent: bool = False
) -> dict[str, Any]:
    """The OpenAPI request body and headers of a route that takes JSON, forms and an ``Idempotency-Key``."""
    content = {"application/json": content_of(json), "multipart/form-data": content_of(form)}
    named = [*headers, _IDEMPOTENCY_KEY] if idempotent else [*headers]
    return {"requestBody": {"required": True, "content": content}, "parameters": named}


def removebg_operation(body: bool = False) -> dict[str, Any]:
    """The arguments of a route's decorator that describe its body and answers in the format of the remove.bg API."""
    answer = {"content": {"application/json": content_of(removebg_schemas.RemovebgErrors)}}
    failures = {
        status: {"description": _REMOVEBG_MEANING[status], **answer, "headers": _REMOVEBG_HEADERS.get(status, {})}
        for status in _REMOVEBG_MEANING
    }
    if not body:
        return {"responses": failures}
    json = content_of(removebg_schemas.RemovebgBody)
    form = content_of(removebg_schemas.RemovebgForm)
    kinds = {"multipart/form-data": form, "application/x-www-form-urlencoded": json, "application/json": json}
    files = {**PICTURES["content"], ZIP: BINARY, "application/json": content_of(removebg_schemas.RemovebgResult)}
    headers = {name: {"schema": {"type": kind}} for name, kind in _REMOVEBG_RESULT.items()}
    done = {"description": "The result", "content": files, "headers": headers}
    return {
        "responses": {200: done, **failures},
        "openapi_extra": {"requestBody": {"required": True, "content": kinds}},
    }


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI answers of a route that can fail with these statuses."""
    refer = "#/components/responses/Problem{}".format
    return {status: {"$ref": refer(status), "description": _MEANING[status]} for status in sorted(statuses)}


def description(settings: Settings) -> str:
    """The document's text about all routes."""
    image = settings.image
    size = format_size(min(settings.http.max_image, image.max_bytes))
    return _DESCRIPTION.format(size=size, pixels=image.max_pixels / 1e6, side=image.min_side)


def describe(app: FastAPI, authenticator: Authenticator) -> None:
    """Makes ``app`` build its document here, at the first request for it."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version=app.version, summary=app.summary, description=app.description,
                routes=app.routes, license_info=app.license_info, contact=app.contact,
            )  # fmt: skip
            app.openapi_schema = _completed(made, authenticator)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the framework's own way to change the document


def _completed(document: dict[str, Any], authenticator: Authenticator) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas_known = {**_models(), **components.get("schemas", {})}
    components["schemas"] = _plain(dict(sorted(schemas_known.items())))
    document["paths"] = _plain(document["paths"])
    for operations in document["paths"].values():
        for parameter in (each for operation in operations.values() for each in operation.get("parameters", [])):
            parameter["schema"] = _never_null(parameter["schema"])
    document["servers"] = [{"url": "/", "description": "This server."}]
    document["tags"] = [{"name": name, "description": said} for name, said in _TAGS.items()]
    components["responses"] = {f"Problem{status}": _problem(status) for status in _MEANING}
    components["securitySchemes"] = _credentials(authenticator)
    _ask_for_credentials(document["paths"], components["securitySchemes"])
    return document


def _problem(status: int) -> dict[str, Any]:
    answer = {"description": _MEANING[status], "content": PROBLEM}
    return {**answer, "headers": _HEADERS[status]} if status in _HEADERS else answer


def _models() -> dict[str, Any]:
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(each, "validation") for each in _READ_BY_HAND]
    models += [(each, "serialization") for each in _WRITTEN_BY_HAND]
    found: dict[str, Any] = models_json_schema(models, ref_template=_COMPONENTS)[1]["$defs"]
    return found


def _plain(node: Any) -> Any:
    """Simplifies schemas, so that generated clients are short.

    It removes the titles that pydantic derives from names ("Image Url" says no more than ``image_url``), makes null
    one of the types instead of a schema of its own, and removes null defaults, for which TypeScript generators would
    make the field required.
    """
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {name: _plain(each) for name, each in node.items() if name != "title" or not isinstance(each, str)}
    if node.get("default", ...) is None:
        del node["default"]
    kinds = node.get("anyOf", [])
    if len(kinds) > 1 and kinds[-1] == _NULL and all("type" in kind for kind in kinds) and _differ_in_type(kinds):
        del node["anyOf"]
        kind = kinds[0] if len(kinds) == 2 else {}
        values = {"enum": [*kind["enum"], None]} if "enum" in kind else {}
        node = {**kind, **node, "type": [each["type"] for each in kinds], **values}
    return node


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Removes null from queries and headers: they are left out instead."""
    if isinstance(kinds := schema.get("type"), list):
        kept = [kind for kind in kinds if kind != "null"]
        schema = {**schema, "type": kept[0] if len(kept) == 1 else kept}
    if "anyOf" in schema:
        schema = {**schema, "anyOf": [each for each in schema["anyOf"] if each != _NULL]}
    if "enum" in schema:
        schema = {**schema, "enum": [value for value in schema["enum"] if value is not None]}
    return schema


def _differ_in_type(kinds: list[dict[str, Any]]) -> bool:
    """Whether the types alone describe the schema, or there is only one besides null."""
    return len(kinds) == 2 or all(set(kind) == {"type"} for kind in kinds)


def _credentials(authenticator: Authenticator) -> dict[str, Any]:
    """The security schemes of the enabled modes."""
    found: dict[str, Any] = {}
    if authenticator.keys is not None:
        found["api_key"] = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    if authenticator.keys is not None or authenticator.tokens is not None:
        found["bearer"] = {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, or a token that is valid for an hour.",
        }
    if authenticator.proxy_secret is not None:
        found["shopify"] = {
            **{"type": "apiKey", "in": "query", "name": "signature"},
            "description": "The signature that Shopify's app proxy adds. Routes are also served under /apps/perkie.",
        }
    return found


def _ask_for_credentials(paths: dict[str, Any], schemes: dict[str, Any]) -> None:
    """Adds the schemes to each operation that can refuse credentials; the proxy's own take only the signature."""
    for path, operations in paths.items():
        usual = {"shopify"} if path.startswith(PROXY_PREFIX) else schemes.keys() - {"shopify"}
        for operation in operations.values():
            asks = not operation["responses"].keys().isdisjoint(("401", "403"))
            operation["security"] = [{name: []} for name in schemes if name in usual and asks]
