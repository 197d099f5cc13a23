"""The part of the XML API that signed URLs and Go's client use: get, put and delete objects, open resumable uploads.

https://docs.cloud.google.com/storage/docs/xml-api/reference-methods
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

from perkie_cli.emulators.http_server import Request, Response
from perkie_cli.emulators.storage import cors
from perkie_cli.emulators.storage.errors import ApiError, not_emulated
from perkie_cli.emulators.storage.media import media, media_headers
from perkie_cli.emulators.storage.objects import Objects
from perkie_cli.emulators.storage.records import Json, Version
from perkie_cli.emulators.storage.signing import check_signature, is_signed
from perkie_cli.emulators.storage.state import State
from perkie_cli.emulators.storage.uploads import UploadSessions, checksums

_FIELDS = {
    "content-type": "contentType",
    "content-encoding": "contentEncoding",
    "content-disposition": "contentDisposition",
    "content-language": "contentLanguage",
    "cache-control": "cacheControl",
    "x-goog-custom-time": "customTime",
    "x-goog-storage-class": "storageClass",
}
_OVERRIDES = {"response-content-type": "contentType", "response-content-disposition": "contentDisposition"}
_CONDITIONS = {
    "x-goog-if-generation-match": "ifGenerationMatch",
    "x-goog-if-metageneration-match": "ifMetagenerationMatch",
}
_SUBRESOURCES = {"acl", "compose", "cors", "lifecycle", "partNumber", "retention", "tagging", "uploadId", "uploads"}
_META = "x-goog-meta-"
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)  # RFC 9110: what a header's name may be


class Links:
    """``keys``: public keys (PEM) of the allowed signers."""

    def __init__(self, state: State, objects: Objects, uploads: UploadSessions, keys: Mapping[str, bytes]) -> None:
        self._state = state
        self._objects = objects
        self._uploads = uploads
        self._keys = keys

    def answer(self, bucket: str, name: str, request: Request) -> Response:
        """Answers a request of the XML API. Raises: ApiError."""
        if request.method == "OPTIONS":
            return cors.preflight(request, self._state.bucket(bucket))
        self._admit(request)
        if not name or request.query.keys() & _SUBRESOURCES or "x-goog-copy-source" in request.headers:
            raise not_emulated(f"{request.method} {request.path} of the XML API")
        conditions = {query: request.headers[name] for name, query in _CONDITIONS.items() if name in request.headers}
        generation = {"generation": request.query["generation"]} if "generation" in request.query else {}
        plain = replace(request, query={**request.query, **conditions, **generation})
        answer = self._act(bucket, name, plain)
        return replace(answer, headers={**answer.headers, **cors.headers(request, self._state.bucket(bucket))})

    def _admit(self, request: Request) -> None:
        """Admits client libraries without credentials, as the JSON API does; a link must be signed.

        Raises: ApiError 400, 403.
        """
        if is_signed(request):
            check_signature(request, self._keys, self._state.clock.now())
        elif not {"authorization", "x-goog-api-client"} & request.headers.keys():
            raise ApiError(403, "Anonymous caller does not have storage.objects.get access: the URL is not signed.")

    def _act(self, bucket: str, name: str, request: Request) -> Response:
        match request.method:
            case "GET" | "HEAD":
                return self._get(self._objects.read(bucket, name, request.query), request)
            case "PUT":
                version = self._objects.insert(bucket, name, request.body, _fields(request), request.query)
                return Response(200, headers=_facts(version), content_type="text/html; charset=UTF-8")
            case "DELETE":
                self._objects.delete(bucket, name, request.query)
                return Response(204)
            case "POST" if request.headers.get("x-goog-resumable") == "start":
                location = self._uploads.begin(bucket, name, _fields(request), request)
                return Response(201, headers={"Location": location}, content_type="text/html; charset=UTF-8")
        raise not_emulated(f"{request.method} of a signed URL")

    def _get(self, version: Version, request: Request) -> Response:
        given = {field: request.query[name] for name, field in _OVERRIDES.items() if name in request.query}
        answer = media(replace(version, fields={**version.fields, **given}), request)
        metadata = (version.fields.get("metadata") or {}).items()
        given = {f"{_META}{name}": value for name, value in metadata if _TOKEN.fullmatch(name)}
        return replace(answer, headers={**answer.headers, **given})


def target(request: Request) -> tuple[str, str]:
    """Bucket and object of the path; the object's name may have slashes."""
    bucket, _, name = request.raw_path.lstrip("/").partition("/")
    return unquote(bucket), unquote(name)


def _fields(request: Request) -> Json:
    headers = {name: _utf8(value) for name, value in request.headers.items()}
    given: Json = {field: headers[name] for name, field in _FIELDS.items() if name in headers}
    metadata = {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}
    return {**given, **({"metadata": metadata} if metadata else {}), **checksums(request)}


def _utf8(header: str) -> str:
    """The server reads headers as Latin-1."""
    return header.encode("latin-1").decode("utf-8", "replace")


def _facts(version: Version) -> dict[str, str]:
    wanted = ("ETag", "X-Goog-Generation", "X-Goog-Metageneration", "X-Goog-Hash", "X-Goog-Stored-Content-Length")
    return {name: value for name, value in media_headers(version).items() if name in wanted}
