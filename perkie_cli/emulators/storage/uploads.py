"""The three ways to upload: media, multipart, resumable.

https://docs.cloud.google.com/storage/docs/json_api/v1/how-tos/upload
"""

from __future__ import annotations

import email.parser
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from perkie_cli.emulators.http_server import Request, Response
from perkie_cli.emulators.storage.errors import ApiError
from perkie_cli.emulators.storage.objects import Objects
from perkie_cli.emulators.storage.records import Json, Version

QUANTUM = 262_144  # bytes; every chunk but the last is a multiple of it


@dataclass
class Session:
    """A resumable upload in progress. ``total``: bytes in total, once known."""

    bucket: str
    name: str
    fields: Json
    query: Mapping[str, str]
    total: int | None
    received: bytearray = field(default_factory=bytearray)
    made: Version | None = None


class UploadSessions:
    """Turns upload requests into objects."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._sessions: dict[str, Session] = {}

    def simple(self, bucket: str, request: Request) -> Version:
        """``uploadType=media`` or ``multipart``. Raises: ApiError."""
        if request.query.get("uploadType") == "multipart":
            fields, data = parse_multipart(request)
        else:
            fields, data = {"contentType": request.headers.get("content-type")}, request.body
        return self._objects.insert(bucket, _name(request, fields), data, _with_headers(request, fields), request.query)

    def begin(self, bucket: str, name: str, fields: Json, request: Request) -> str:
        """Opens a session; returns the address for the bytes.

        Raises: ApiError 404 for a bucket that does not exist.
        """
        self._objects.check_bucket(bucket)
        if "x-upload-content-type" in request.headers:
            fields.setdefault("contentType", request.headers["x-upload-content-type"])
        length = request.headers.get("x-upload-content-length")
        id_ = secrets.token_hex(16)
        total = None if length is None else int(length)
        self._sessions[id_] = Session(bucket, name, _with_headers(request, fields), request.query, total)
        return f"{request.base}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id_}"

    def begin_json(self, bucket: str, request: Request) -> Response:
        """Opens a session of the JSON API: the address is in ``Location``."""
        fields = request.json_object()
        location = self.begin(bucket, _name(request, fields), fields, request)
        return Response(200, headers={"Location": location, "X-GUploader-UploadID": location.rpartition("=")[2]})

    def go_on(self, request: Request) -> Version | Response:
        """Accepts a chunk, or reports the progress. Raises: ApiError."""
        session = self._sessions.get(request.query["upload_id"])
        if session is None:
            raise ApiError(404, "No such upload.")
        if request.method == "DELETE":
            del self._sessions[request.query["upload_id"]]
            return Response(499)
        if session.made is not None:
            return session.made
        if not _take(session, request):
            return _incomplete(session, request)
        data, fields = bytes(session.received), _with_headers(request, session.fields)
        session.made = self._objects.insert(session.bucket, session.name, data, fields, session.query)
        return session.made


def _incomplete(session: Session, request: Request) -> Response:
    """Reports the progress. Go's client treats 308 as a redirect and requests another status."""
    sofar = {"Range": f"bytes=0-{len(session.received) - 1}"} if session.received else {}
    if request.headers.get("x-guploader-no-308") == "yes":
        return Response(200, headers={**sofar, "X-Http-Status-Code-Override": "308"})
    return Response(308, headers=sofar)


def _take(session: Session, request: Request) -> bool:
    """Appends the chunk; returns whether the upload is complete.

    https://docs.cloud.google.com/storage/docs/performing-resumable-uploads. Raises: ApiError 400, 503.
    """
    first, total = _place(session, request)
    if first is None:
        return total == len(session.received)
    end = first + len(request.body)
    if first > len(session.received):
        raise ApiError(503, f"The chunk begins at {first}, but {len(session.received)} bytes were received.")
    if session.total not in (None, total) or (total is not None and end > total):
        raise ApiError(400, f"The upload of {end} bytes does not fit the {session.total or total} that were announced.")
    kept = end if end == total else max(first, end - end % QUANTUM)
    if kept == first and request.body:
        raise ApiError(400, f"Every chunk but the last has at least {QUANTUM} bytes (and a multiple of them).")
    if kept > len(session.received):  # otherwise all of it was received before
        session.received[first:] = request.body[: kept - first]
    return len(session.received) == total


def _place(session: Session, request: Request) -> tuple[int | None, int | None]:
    """The offset of the body (None: a status request) and the total bytes, once known.

    Raises: ApiError 400.
    """
    header = request.headers.get("content-range", "bytes 0-*/*")
    match = re.fullmatch(r"bytes (?:(\d+)-(\d+|\*)|\*)/(\d+|\*)", header)
    if match is None:
        raise ApiError(400, f"Invalid Content-Range: {header}")
    total = session.total if match[3] == "*" else int(match[3])
    if match[1] is None:
        if request.body:
            raise ApiError(400, "A request for the state of an upload has no body.")
        return None, total
    end = int(match[1]) + len(request.body)
    if match[2] != "*" and int(match[2]) + 1 != end:
        raise ApiError(400, f"Content-Range {header} does not fit a body of {len(request.body)} bytes.")
    if match[2] == "*" and total is None:
        total = end  # the end of the data
    return int(match[1]), total


def _name(request: Request, fields: Json) -> str:
    return str(request.query.get("name") or fields.get("name") or "")


def _with_headers(request: Request, fields: Json) -> Json:
    """The fields plus the checksums and encoding from the request's headers."""
    encoding = request.query.get("contentEncoding")
    return {**fields, **checksums(request), **({"contentEncoding": encoding} if encoding else {})}


def checksums(request: Request) -> Json:
    """The checksums in the headers, named as in the resource."""
    given = dict(
        each.strip().split("=", 1) for each in request.headers.get("x-goog-hash", "").split(",") if "=" in each
    )
    sums = {"md5Hash": given.get("md5") or request.headers.get("content-md5"), "crc32c": given.get("crc32c")}
    return {name: value for name, value in sums.items() if value}


def parse_multipart(request: Request) -> tuple[Json, bytes]:
    """``multipart/related``: the JSON of the object, then its bytes.

    Raises: ApiError 400.
    """
    parts = split_parts(request)
    if len(parts) != 2:
        raise ApiError(400, "A multipart upload has two parts.")
    fields: Json = json.loads(parts[0][1])
    fields.setdefault("contentType", parts[1][0].get("content-type"))
    return fields, parts[1][1]


def split_parts(request: Request) -> list[tuple[dict[str, str], bytes]]:
    """Headers (lower-case names) and bytes of each part of a multipart body.

    Raises: ApiError 400 without a boundary.
    """
    header = email.parser.HeaderParser().parsestr(f"Content-Type: {request.headers.get('content-type', '')}")
    boundary = (header.get_boundary() or "").strip("'")  # gcloud quotes it
    if not boundary:
        raise ApiError(400, "The multipart body has no boundary.")
    parts = []
    # Python's clients end lines with LF only: a CR before it is the last byte of the data.
    line_end = rb"\n" if re.match(rb"[^\r\n]*\n", request.body) else rb"\r\n"
    delimiter = rb"(?:^|" + line_end + rb")--" + re.escape(boundary.encode())
    for chunk in re.split(delimiter, request.body)[1:-1]:
        head, data = re.split(rb"\r?\n\r?\n", chunk, maxsplit=1)  # a part may have no headers
        headers = email.parser.BytesHeaderParser().parsebytes(head.lstrip())
        parts.append(({name.lower(): value for name, value in headers.items()}, data))
    return parts
