"""Routes of the JSON API over one in-memory state.

https://docs.cloud.google.com/storage/docs/json_api/v1. Parts that are not emulated are refused with 501, never ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

from perkie_cli.emulators.http_server import Request, Response
from perkie_cli.emulators.partial_response import select
from perkie_cli.emulators.storage import cors, folders
from perkie_cli.emulators.storage.buckets import Buckets, permissions, policy
from perkie_cli.emulators.storage.errors import ApiError, not_emulated
from perkie_cli.emulators.storage.links import Links, target
from perkie_cli.emulators.storage.listing import list_page
from perkie_cli.emulators.storage.media import check_etag, gunzip, media
from perkie_cli.emulators.storage.objects import Objects
from perkie_cli.emulators.storage.records import Bucket, Json, Version
from perkie_cli.emulators.storage.resources import bucket_json, object_json
from perkie_cli.emulators.storage.state import State, check_preconditions
from perkie_cli.emulators.storage.uploads import UploadSessions

FAMILIES = ("storage", "upload", "resumable", "download")  # the first segments of the JSON API's paths
# Errors from reading a client's malformed JSON, number or time.
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
HARMLESS_ACLS = (None, "private", "projectPrivate", "bucketOwnerFullControl", "bucketOwnerRead")


class Api:
    """Answers one request at a time."""

    def __init__(self, state: State, keys: Mapping[str, bytes]) -> None:
        self._state = state
        self._buckets = Buckets(state)
        self._objects = Objects(state)
        self._uploads = UploadSessions(self._objects)
        self._links = Links(state, self._objects, self._uploads, keys)

    def answer(self, request: Request) -> Response:
        """Answers a request; refusals are worded like the API's."""
        is_json = segments(request)[0] in FAMILIES
        try:
            return self._json(request) if is_json else self._links.answer(*target(request), request)
        except ApiError as error:
            return error.response() if is_json else error.xml()
        except _MALFORMED as error:
            return ApiError(400, f"Invalid request: {error!r}").response()

    def _json(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return cors.preflight(request, None)
        if request.headers.get("x-http-method-override"):
            request = replace(request, method=request.headers["x-http-method-override"])
        _refuse_unemulated(request)
        if request.headers.get("content-encoding", "").lower() == "gzip":
            request = replace(request, body=gunzip(request.body))
        answer = self._route(request)
        if "fields" in request.query and answer.status == 200 and answer.content_type.startswith("application/json"):
            selected = select(json.loads(answer.body or b"{}"), request.query["fields"])
            answer = replace(answer, body=json.dumps(selected).encode())
        return replace(answer, headers={**answer.headers, **cors.headers(request, None)})

    def _route(self, request: Request) -> Response:
        match segments(request):
            case ["storage", "v1", "b"] if request.method == "GET":
                return _json(self._buckets.listing(request))
            case ["storage", "v1", "b"]:
                return _json(bucket_json(self._buckets.create(request.json_object()), request.base))
            case ["storage", "v1", "b", bucket, "o", *rest]:
                return self._objects_route(bucket, rest, request)
            case ["storage", "v1", "b", bucket, *rest]:
                return self._bucket_route(self._state.bucket(bucket), rest, request)
            case ["download", "storage", "v1", "b", bucket, "o", name]:
                return media(self._objects.read(bucket, name, request.query), request)
            case ["upload" | "resumable", *_, "b", bucket, "o"]:
                return self._upload(request, bucket)
        raise _unknown(request)

    # ------------------------------------------------------------------ buckets

    def _bucket_route(self, bucket: Bucket, rest: list[str], request: Request) -> Response:
        match rest:
            case []:
                return self._bucket(bucket, request)
            case ["iam"]:
                return _json(policy(bucket, request))
            case ["iam", "testPermissions"]:
                return _json(permissions(bucket, request))
            case ["managedFolders", name, "iam", "testPermissions"]:
                return _json(permissions(folders.find(bucket, name), request))
            case ["storageLayout"]:
                layout = {"kind": "storage#storageLayout", "bucket": bucket.name, "location": "US"}
                return _json({**layout, "locationType": "multi-region", "hierarchicalNamespace": {"enabled": False}})
            case ["lockRetentionPolicy"]:
                self._buckets.lock_retention(bucket, request.query)
                return _json(bucket_json(bucket, request.base))
            case ["managedFolders"]:
                return _json(self._buckets.folders(bucket, request))
            case ["managedFolders", name]:
                if request.method == "DELETE":
                    folders.delete(bucket, name, request.query)
                    return Response(204)
                return _json(folders.resource(bucket, folders.find(bucket, name), request.base))
            case ["managedFolders", name, "iam"]:
                return _json(policy(folders.find(bucket, name), request))
        raise _unknown(request)

    def _bucket(self, bucket: Bucket, request: Request) -> Response:
        check_preconditions(request.query, bucket)
        match request.method:
            case "DELETE":
                self._buckets.delete(bucket)
                return Response(204)
            case "PATCH" | "PUT" as method:
                self._buckets.change(bucket, request.json_object(), whole=method == "PUT")
        return _json(bucket_json(bucket, request.base))

    # ------------------------------------------------------------------ objects

    def _objects_route(self, bucket: str, rest: list[str], request: Request) -> Response:
        match rest:
            case [] if request.method == "GET":
                return self._list(bucket, request)
            case [name, "compose"]:
                version = self._objects.compose(bucket, name, request.json_object(), request.query)
                return self._object_answer(request, bucket, version)
            case [name, "restore"]:
                return self._object_answer(request, bucket, self._objects.restore(bucket, name, request.query))
            case [name, "copyTo" | "rewriteTo" as verb, "b", to_bucket, "o", to_name]:
                return self._copy((bucket, name), (to_bucket, to_name), verb, request)
            case [name]:
                return self._object(bucket, name, request)
        raise _unknown(request)

    def _list(self, name: str, request: Request) -> Response:
        bucket = self._state.bucket(name)
        page = list_page(bucket, request.query)
        body: Json = {"kind": "storage#objects"}
        body["items"] = [object_json(bucket, version, request.base) for version in page.versions]
        body["prefixes"] = page.prefixes
        body["nextPageToken"] = page.token
        return _json({key: value for key, value in body.items() if value})

    def _object(self, bucket: str, name: str, request: Request) -> Response:
        match request.method:
            case "GET" | "HEAD" if request.query.get("alt") == "media":
                return media(self._objects.read(bucket, name, request.query), request)
            case "GET" | "HEAD":
                version = self._objects.read(bucket, name, request.query)
                check_etag(version, request)
                return self._object_answer(request, bucket, version)
            case "PATCH" | "PUT" as method:
                change = request.json_object()
                version = self._objects.change(bucket, name, change, request.query, whole=method == "PUT")
                return self._object_answer(request, bucket, version)
            case "DELETE":
                self._objects.delete(bucket, name, request.query)
                return Response(204)
        raise ApiError(405, "Method Not Allowed")

    def _object_answer(self, request: Request, bucket: str, version: Version) -> Response:
        resource = object_json(self._state.bucket(bucket), version, request.base)
        return _json(resource, {"ETag": resource["etag"]})

    def _copy(self, source: tuple[str, str], target: tuple[str, str], verb: str, request: Request) -> Response:
        version = self._objects.copy(source, target, request.json_object(), request.query)
        if verb == "copyTo":
            return self._object_answer(request, target[0], version)
        resource = object_json(self._state.bucket(target[0]), version, request.base)
        size = str(len(version.data))
        done = {"kind": "storage#rewriteResponse", "done": True, "totalBytesRewritten": size, "objectSize": size}
        return _json({**done, "resource": resource})

    def _upload(self, request: Request, bucket: str) -> Response:
        if "upload_id" in request.query:
            result = self._uploads.go_on(request)
        elif request.query.get("uploadType") == "resumable":
            return self._uploads.begin_json(bucket, request)
        else:
            result = self._uploads.simple(bucket, request)
        return result if isinstance(result, Response) else self._object_answer(request, bucket, result)


def segments(request: Request) -> list[str]:
    """The path's segments, decoded one by one: an object's name is one segment, its slashes encoded.

    Node's client leaves ``storage/v1`` out when ``STORAGE_EMULATOR_HOST`` is set; no bucket's name is as short as b.
    """
    parts = [unquote(part) for part in request.raw_path.strip("/").split("/")]
    return ["storage", "v1", *parts] if parts[0] == "b" else parts


def _refuse_unemulated(request: Request) -> None:
    """Refuses parts that are not emulated. Raises: ApiError 501."""
    if any(name.startswith(("x-goog-encryption-", "x-goog-copy-source-encryption-")) for name in request.headers):
        raise not_emulated("Encryption by a key of your own")
    if request.query.get("predefinedAcl") not in HARMLESS_ACLS:
        raise not_emulated(f"Access control by object ({request.query['predefinedAcl']})")
    if "kmsKeyName" in request.query or "destinationKmsKeyName" in request.query:
        raise not_emulated("Encryption by a key of your own")


def _unknown(request: Request) -> ApiError:
    return not_emulated(f"{request.method} {request.path}")


def _json(body: Json, headers: Mapping[str, str] | None = None) -> Response:
    return Response(200, json.dumps(body).encode(), headers=headers or {})
