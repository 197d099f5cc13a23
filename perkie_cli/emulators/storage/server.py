"""Routes of the JSON API, signed URLs and batches over one in-memory state."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import inf
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from perkie_cli.domain.storage.lifecycle import Action
from perkie_cli.domain.storage.lifecycle_json import rules_from
from perkie_cli.emulators.fault_plan import PLAN, Faults, answer_plan, parse_faults
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.emulators.storage.errors import ApiError
from perkie_cli.emulators.storage.faults import Fault, Kind
from perkie_cli.emulators.storage.listing import list_page
from perkie_cli.emulators.storage.objects import Objects, byte_range
from perkie_cli.emulators.storage.resources import (
    BUCKET_FIELDS,
    bucket_json,
    etag,
    object_json,
    patched,
    writable,
)
from perkie_cli.emulators.storage.signing import check_signature, is_signed
from perkie_cli.emulators.storage.state import Bucket, Json, State, Version, check_preconditions
from perkie_cli.emulators.storage.uploads import Uploads, split_parts
from perkie_cli.ports import Clock

KEPT_REQUESTS = 10_000
SOFT_DELETE_DEFAULT = {"retentionDurationSeconds": "604800"}  # as a new bucket has it


class StorageEmulator(HttpServer):
    """Cloud Storage on loopback. ``keys``: public keys (PEM) by e-mail of those who may sign URLs.

    ``tls``: gsutil speaks nothing else.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        keys: Mapping[str, bytes] | None = None,
        plan: Sequence[Fault] = (),
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(self._handle, host, port, tls)
        self.state = State(clock)
        self.faults = Faults(clock, plan, seed)
        self.seen: deque[str] = deque(maxlen=KEPT_REQUESTS)  # the last requests, in order
        self._keys = dict(keys or {})
        self._objects = Objects(self.state)
        self._uploads = Uploads(self._objects)

    def sweep(self) -> list[str]:
        """Runs every bucket's lifecycle once, at the clock's time; the names that went. Delete beats a class change."""
        gone = []
        for bucket in self.state.buckets.values():
            rules = rules_from(bucket.fields.get("lifecycle", {}))
            for version, newer in list(self.state.all_versions(bucket)):
                due = [rule for rule in rules if rule.matches(version.stored(newer), self.state.clock.now())]
                if any(rule.action is Action.DELETE for rule in due):
                    self.state.delete(bucket, version, named=version.noncurrent is not None)
                    gone.append(version.name)
                elif due and due[0].storage_class is not None:
                    version.fields["storageClass"] = due[0].storage_class
        return gone

    def add_bucket(self, name: str, **fields: object) -> Bucket:
        """A new, empty bucket; ``fields`` as in the API's resource."""
        bucket = self.state.buckets[name] = Bucket(name, dict(fields), self.state.clock.now())
        return bucket

    # ------------------------------------------------------------------ dispatch

    async def _handle(self, request: Request, wire: Wire) -> Response | None:
        if request.path == PLAN:
            return self._admin(request)
        self.seen.append(f"{request.method} {request.raw_path}")
        fault = self.faults.choose(lambda fault: fault.fits(request))
        match fault:
            case Fault(kind=Kind.ERROR, status=status):
                return ApiError(status, f"injected fault {status}").response()
            case Fault(kind=Kind.RESET):
                wire.reset()
                return None
            case Fault(kind=Kind.HANG):
                await asyncio.Event().wait()
            case Fault(kind=Kind.SLOW, seconds=seconds):
                await asyncio.sleep(seconds)
        answer = self._answer(request)
        return replace(answer, body=b"") if request.method == "HEAD" else answer

    def _admin(self, request: Request) -> Response:
        """``GET`` shows the plan, ``PUT`` replaces it, ``DELETE`` heals."""
        if request.method in ("PUT", "DELETE"):
            refusal = answer_plan(request, lambda table: self.faults.set(parse_faults(table, Fault)))
            if refusal is not None:
                return refusal
        rows = [{key: value for key, value in asdict(fault).items() if value != inf} for fault in self.faults.plan]
        return Response.of({"fault": rows})

    def _answer(self, request: Request) -> Response:
        try:
            return self._route(request)
        except ApiError as error:
            return error.xml() if is_signed(request) else error.response()
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # a client's malformed JSON or number
            return ApiError(400, f"Invalid request: {error!r}").response()

    def _route(self, request: Request) -> Response:
        match _segments(request):
            case ["batch", "storage", "v1"]:
                return self._batch(request)
            case ["storage", "v1", "b"]:
                return self._buckets(request)
            case ["storage", "v1", "b", bucket, *rest]:
                return self._within(bucket, rest, request)
            case ["download", "storage", "v1", "b", bucket, "o", name]:
                return self._media(request, bucket, name)
            case ["upload" | "resumable", *_, "b", bucket, "o"]:
                return self._upload(request, bucket)
            case [bucket, _, *_] if is_signed(request):
                return self._signed(request, bucket)
        raise ApiError(404, f"Not Found: {request.path}")

    def _within(self, name: str, rest: list[str], request: Request) -> Response:
        match rest:
            case []:
                return self._bucket(name, request)
            case ["iam"]:
                return self._policy(name, request)
            case ["iam", "testPermissions"]:
                return _json({"permissions": [request.query.get("permissions", "")]})
            case ["storageLayout"]:
                return _json(
                    {"kind": "storage#storageLayout", "bucket": self.state.bucket(name).name, "location": "US"}
                )
            case ["o"]:
                return self._list(name, request)
            case ["o", target, "compose"]:
                version = self._objects.compose(name, target, _body(request), request.query)
                return self._object_answer(name, version)
            case ["o", target, "restore"]:
                return self._object_answer(name, self._objects.restore(name, target, request.query))
            case ["o", source, "copyTo" | "rewriteTo" as verb, "b", bucket, "o", target]:
                return self._copy((name, source), (bucket, target), verb, request)
            case ["o", target]:
                return self._object(name, target, request)
        raise ApiError(404, f"Not Found: {request.path}")

    # ------------------------------------------------------------------ buckets

    def _buckets(self, request: Request) -> Response:
        if request.method == "GET":
            prefix = request.query.get("prefix", "")
            items = [bucket_json(b, self.url) for n, b in sorted(self.state.buckets.items()) if n.startswith(prefix)]
            return _json({"kind": "storage#buckets", "items": items})
        given = _body(request)
        if given["name"] in self.state.buckets:
            raise ApiError(409, "Your previous request to create the named bucket succeeded and you already own it.")
        fields = {"softDeletePolicy": SOFT_DELETE_DEFAULT, **writable(given, BUCKET_FIELDS)}
        rules_from(fields.get("lifecycle") or {})
        bucket = Bucket(given["name"], fields, self.state.clock.now())
        self.state.buckets[bucket.name] = bucket
        return _json(bucket_json(bucket, self.url))

    def _bucket(self, name: str, request: Request) -> Response:
        bucket = self.state.bucket(name)
        check_preconditions(request.query, bucket)
        if request.method == "DELETE":
            if any(self.state.all_versions(bucket)):
                raise ApiError(409, "The bucket you tried to delete is not empty.")
            del self.state.buckets[name]
            return Response(204)
        if request.method in ("PATCH", "PUT"):
            change = _body(request)
            whole = request.method == "PUT"
            fields = writable(change, BUCKET_FIELDS) if whole else patched(bucket.fields, change, BUCKET_FIELDS)
            rules_from(fields.get("lifecycle", {}))
            bucket.fields = fields
            bucket.metageneration += 1
        return _json(bucket_json(bucket, self.url))

    def _policy(self, name: str, request: Request) -> Response:
        bucket = self.state.bucket(name)
        if request.method == "PUT":
            bucket.policy = _body(request)
        return _json({**bucket.policy, "etag": etag(bucket)})

    # ------------------------------------------------------------------ objects

    def _list(self, name: str, request: Request) -> Response:
        bucket = self.state.bucket(name)
        page = list_page(bucket, request.query)
        body: Json = {"kind": "storage#objects"}
        body["items"] = [object_json(bucket, version, self.url) for version in page.versions]
        body["prefixes"] = page.prefixes
        body["nextPageToken"] = page.token
        return _json({key: value for key, value in body.items() if value})

    def _object(self, bucket: str, name: str, request: Request) -> Response:
        match request.method:
            case "GET" | "HEAD" if request.query.get("alt") == "media":
                return self._media(request, bucket, name)
            case "GET" | "HEAD":
                return self._object_answer(bucket, self._objects.read(bucket, name, request.query))
            case "PATCH" | "PUT" as method:
                change = _body(request)
                version = self._objects.change(bucket, name, change, request.query, whole=method == "PUT")
                return self._object_answer(bucket, version)
            case "POST" if request.headers.get("x-http-method-override") == "PATCH":
                return self._object(bucket, name, replace(request, method="PATCH"))
            case "DELETE":
                self._objects.delete(bucket, name, request.query)
                return Response(204)
        raise ApiError(405, "Method Not Allowed")

    def _object_answer(self, bucket: str, version: Version) -> Response:
        resource = object_json(self.state.bucket(bucket), version, self.url)
        return _json(resource, {"ETag": resource["etag"]})

    def _media(self, request: Request, bucket: str, name: str) -> Response:
        version = self._objects.read(bucket, name, request.query)
        wanted = byte_range(request.headers.get("range"), len(version.data))
        headers = {
            "ETag": etag(version),
            "X-Goog-Generation": str(version.generation),
            "X-Goog-Metageneration": str(version.metageneration),
            "X-Goog-Hash": f"crc32c={version.crc32c},md5={version.md5}",
            "X-Goog-Stored-Content-Length": str(len(version.data)),
            "Accept-Ranges": "bytes",
        }
        kind = version.fields["contentType"]
        if wanted is None:
            return Response(200, version.data, kind, headers)
        first, last = wanted
        headers["Content-Range"] = f"bytes {first}-{last}/{len(version.data)}"
        return Response(206, version.data[first : last + 1], kind, headers)

    def _copy(self, source: tuple[str, str], target: tuple[str, str], verb: str, request: Request) -> Response:
        version = self._objects.copy(source, target, _body(request), request.query)
        if verb == "copyTo":
            return self._object_answer(target[0], version)
        resource = object_json(self.state.bucket(target[0]), version, self.url)
        size = str(len(version.data))
        done = {"kind": "storage#rewriteResponse", "done": True, "totalBytesRewritten": size, "objectSize": size}
        return _json({**done, "resource": resource})

    def _upload(self, request: Request, bucket: str) -> Response:
        if "upload_id" in request.query:
            result = self._uploads.go_on(request)
        elif request.query.get("uploadType") == "resumable":
            return self._uploads.begin(bucket, request, self.url)
        else:
            result = self._uploads.simple(bucket, request)
        return result if isinstance(result, Response) else self._object_answer(bucket, result)

    def _signed(self, request: Request, bucket: str) -> Response:
        check_signature(request, self._keys, self.state.clock.now())
        name = "/".join(_segments(request)[1:])
        plain = replace(request, query={k: v for k, v in request.query.items() if not k.startswith("X-Goog-")})
        if request.method == "PUT":
            fields = {"contentType": request.headers.get("content-type")}
            return self._object_answer(bucket, self._objects.insert(bucket, name, request.body, fields, plain.query))
        if request.method == "DELETE":
            self._objects.delete(bucket, name, plain.query)
            return Response(204)
        return self._media(plain, bucket, name)

    # ------------------------------------------------------------------ batches

    def _batch(self, request: Request) -> Response:
        """https://docs.cloud.google.com/storage/docs/batch: each part is a request of its own."""
        answers = []
        for headers, raw in split_parts(request):
            part = _parse_request(raw)
            answer = self._answer(part)
            id_ = headers.get("content-id", "").strip("<>")
            head = f"--batch\r\nContent-Type: application/http\r\nContent-ID: <response-{id_}>\r\n\r\n"
            answers.append(head.encode() + answer.bytes() + b"\r\n")
        return Response(200, b"".join(answers) + b"--batch--", "multipart/mixed; boundary=batch")


def _parse_request(raw: bytes) -> Request:
    head, _, body = raw.partition(b"\r\n\r\n") if b"\r\n\r\n" in raw else raw.partition(b"\n\n")
    first, *lines = head.decode().splitlines()
    method, target, *_ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if ": " in line)}
    url = urlsplit(target)
    return Request(method, unquote(url.path), dict(parse_qsl(url.query)), headers, body, url.path)


def _segments(request: Request) -> list[str]:
    """The path's segments, decoded one by one: an object's name is one segment, its slashes encoded."""
    return [unquote(part) for part in request.raw_path.strip("/").split("/")]


def _body(request: Request) -> Json:
    given: Any = json.loads(request.body or b"{}")
    if not isinstance(given, dict):
        raise ApiError(400, "The body must be a JSON object.")
    return given


def _json(body: Json, headers: Mapping[str, str] | None = None) -> Response:
    return Response(200, json.dumps(body).encode(), headers=headers or {})
